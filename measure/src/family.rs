//! Families of models, as files of counts and `docs/tokens.md` name them.

use tierway_wire::Vocabulary;

/// Models that share a vocabulary.
pub struct Family {
    pub name: &'static str,
    /// The one that tierway reckons their tokens with.
    pub vocabulary: Vocabulary,
}

/// In the order of the document.
pub const FAMILIES: [Family; 11] = [
    Family { name: "gpt-4o and later", vocabulary: Vocabulary::O200k },
    Family { name: "gpt-4, gpt-3.5", vocabulary: Vocabulary::Cl100k },
    Family { name: "Claude 3 to 4.6", vocabulary: Vocabulary::Claude },
    Family { name: "Claude from 4.7", vocabulary: Vocabulary::Claude47 },
    Family { name: "Gemini (2024)", vocabulary: Vocabulary::Gemini },
    Family { name: "Gemma 3", vocabulary: Vocabulary::Gemini },
    Family { name: "Llama 2, Mixtral", vocabulary: Vocabulary::Llama2 },
    Family { name: "Llama 3", vocabulary: Vocabulary::Llama3 },
    Family { name: "Qwen 3", vocabulary: Vocabulary::Qwen },
    Family { name: "DeepSeek V3", vocabulary: Vocabulary::DeepSeek },
    Family { name: "Mistral (tekken)", vocabulary: Vocabulary::Mistral },
];

//! The kind of work, cross-validated over the labels that teach: what recipes and labels are chosen by, so that those held
//! out stay untouched.

use std::collections::HashMap;
use tierway_decide::TaskType;
use tierway_decide::model::Bank;
use tierway_learn::labels::{self, Labelled, Prompt};
use tierway_learn::{split, train};

const FOLDS: usize = 5;

pub(crate) fn run(prompts: &HashMap<String, Prompt>) {
    let labelled = labels::task_types(&format!("{}{}", train::TASK_TYPES, train::PROMPTS), prompts).expect("labels");
    let teach: Vec<&Labelled> = labelled.iter().filter(|label| !label.test && !label.doubtful).collect();
    let said = out_of_fold(&teach);
    println!("\nkind of work: {FOLDS} folds of the {} labels that teach", teach.len());
    let show = |name: &str, wanted: &dyn Fn(&Labelled) -> bool| {
        let own: Vec<usize> = (0..teach.len()).filter(|at| wanted(teach[*at])).collect();
        let right = own.iter().filter(|at| said[**at] == teach[**at].task).count();
        println!("{name:<24} {:>5.1} % ({right} of {})", 100.0 * right as f64 / own.len().max(1) as f64, own.len());
    };
    show("all", &|_| true);
    for kind in ["our own", "public chats", "benchmarks"] {
        show(kind, &|label| self::kind(&label.id) == kind);
    }
    println!("{:<16} {}", "labelled", TaskType::ALL.map(|task| format!("{:>14}", task.name())).concat());
    for task in TaskType::ALL {
        let times =
            |other: TaskType| teach.iter().zip(&said).filter(|own| own.0.task == task && *own.1 == other).count();
        println!("{:<16} {}", task.name(), TaskType::ALL.map(|other| format!("{:>14}", times(other))).concat());
    }
}

/// Where a labelled prompt comes from, by its id.
fn kind(id: &str) -> &'static str {
    let own = id.len() == 5 && id[1..].bytes().all(|byte| byte.is_ascii_digit());
    match () {
        () if own => "our own",
        () if id.starts_with("arena") => "public chats",
        () => "benchmarks",
    }
}

/// What heads say that did not learn from the label; which fold it is in, its id alone decides.
fn out_of_fold(teach: &[&Labelled]) -> Vec<TaskType> {
    let fold = |label: &Labelled| (split::hash(&label.id) >> 7) as usize % FOLDS;
    let mut said = vec![TaskType::Other; teach.len()];
    for held in 0..FOLDS {
        let others: Vec<&Labelled> = teach.iter().filter(|label| fold(label) != held).copied().collect();
        let bank = Bank::new(&train::task_heads(&others));
        for (said, label) in said.iter_mut().zip(teach).filter(|(_, label)| fold(label) == held) {
            *said = train::task_of(&bank, &label.prompt.features);
        }
    }
    said
}

//! What can go wrong with one upstream call, and what may be done about it.

/// Why an upstream call gave no whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection: refused, unreachable, unknown host, connect time over; or reset before the reply began.
    Connect,
    /// The certificate or the handshake was refused.
    Tls,
    /// Connected, and no first byte of the answer in time.
    FirstByteTimeout,
    /// The answer began and then fell silent.
    Stalled,
    /// The connection broke inside the answer.
    Cut,
    /// Something that is not the API's format.
    Garbled,
    /// The stream ended well-formed but without its end mark or finish reason.
    MissingEnd,
    /// An error inside an answer that began with 200, of a kind that is not known better.
    InBand,
    /// Too many requests or tokens for now.
    RateLimited {
        /// The pause that the provider asked for.
        retry_after_ms: Option<u64>,
    },
    /// The account is out of credit: waiting is no use.
    QuotaExhausted,
    /// The provider has no capacity (503, 529).
    Overloaded {
        /// The pause that the provider asked for.
        retry_after_ms: Option<u64>,
    },
    /// Another error on the provider's side.
    ServerError {
        /// Its HTTP status.
        status: u16,
    },
    /// The provider refused our key, or what our key may do.
    Unauthorized,
    /// The provider refused the request itself: every provider of the format would.
    BadRequest {
        /// Its HTTP status.
        status: u16,
    },
    /// More bytes than the provider takes.
    BodyTooLarge,
    /// More tokens than fit.
    ContextTooLong,
    /// The provider declined the content.
    ContentFilter,
    /// The provider does not serve this model (any more).
    ModelNotFound,
    /// A whole answer that verifiably does not do: against the schema, bad tool arguments, empty. A tier up may do it.
    Unfit,
    /// Not called: the request cannot be said in the target's API without losing its meaning.
    Unrepresentable,
    /// Not called: the target is cooling down after failures.
    CoolingDown {
        /// Until it may be called again.
        retry_after_ms: u64,
    },
    /// The request's own time is over.
    Deadline,
}

/// What may be done about a failure before anything went to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The same target may be asked again, but siblings come first.
    Again {
        /// Not before the provider's own word; none: after a drawn pause.
        not_before_ms: Option<u64>,
    },
    /// This target is left for the rest of the request.
    NextTarget,
    /// Every target of this provider is left.
    NextProvider,
    /// Only a target with a larger context window.
    LargerWindow,
    /// Only a tier above.
    NextTier,
    /// The client gets it as it is.
    Stop,
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller has to change the request.
    Caller,
    /// The provider failed.
    Provider,
    /// The operator has to mend key, model name or account.
    Operator,
    /// Nobody: the request's time was short.
    Nobody,
}

impl FailureKind {
    /// What may be done about it. No catch-all arm: a new failure has to choose.
    #[must_use]
    pub const fn recovery(self) -> Recovery {
        match self {
            Self::Connect | Self::Cut | Self::MissingEnd | Self::InBand | Self::ServerError { .. } => {
                Recovery::Again { not_before_ms: None }
            }
            Self::RateLimited { retry_after_ms } | Self::Overloaded { retry_after_ms } => {
                Recovery::Again { not_before_ms: retry_after_ms }
            }
            Self::CoolingDown { retry_after_ms } => Recovery::Again { not_before_ms: Some(retry_after_ms) },
            Self::FirstByteTimeout
            | Self::Stalled
            | Self::Tls
            | Self::Garbled
            | Self::BodyTooLarge
            | Self::ModelNotFound
            | Self::Unrepresentable => Recovery::NextTarget,
            Self::Unauthorized | Self::QuotaExhausted => Recovery::NextProvider,
            Self::ContextTooLong => Recovery::LargerWindow,
            Self::Unfit => Recovery::NextTier,
            Self::BadRequest { .. } | Self::ContentFilter | Self::Deadline => Recovery::Stop,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::BadRequest { .. }
            | Self::BodyTooLarge
            | Self::ContextTooLong
            | Self::ContentFilter
            | Self::Unrepresentable => Blame::Caller,
            Self::Unauthorized | Self::QuotaExhausted | Self::ModelNotFound | Self::Tls => Blame::Operator,
            Self::Deadline => Blame::Nobody,
            Self::Connect
            | Self::FirstByteTimeout
            | Self::Stalled
            | Self::Cut
            | Self::Garbled
            | Self::MissingEnd
            | Self::InBand
            | Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::ServerError { .. }
            | Self::Unfit
            | Self::CoolingDown { .. } => Blame::Provider,
        }
    }

    /// It says that the target is ill: counts for its breaker. A rate limit does not (the target is well and says when to
    /// come back), nor does anything that the request itself brought about.
    #[must_use]
    pub const fn counts_against_target(self) -> bool {
        match self {
            Self::Connect
            | Self::Tls
            | Self::FirstByteTimeout
            | Self::Stalled
            | Self::Cut
            | Self::Garbled
            | Self::MissingEnd
            | Self::InBand
            | Self::Overloaded { .. }
            | Self::ServerError { .. }
            | Self::Unauthorized
            | Self::QuotaExhausted
            | Self::ModelNotFound => true,
            Self::RateLimited { .. }
            | Self::BadRequest { .. }
            | Self::BodyTooLarge
            | Self::ContextTooLong
            | Self::ContentFilter
            | Self::Unfit
            | Self::Unrepresentable
            | Self::CoolingDown { .. }
            | Self::Deadline => false,
        }
    }

    /// How long the target asked to be left alone.
    #[must_use]
    pub const fn retry_after_ms(self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after_ms } | Self::Overloaded { retry_after_ms } => retry_after_ms,
            Self::CoolingDown { retry_after_ms } => Some(retry_after_ms),
            _ => None,
        }
    }

    /// The HTTP status for the client when nothing went out yet. The operator's mistakes are a 502 to the caller: 401
    /// would send people looking for a fault in their own key.
    #[must_use]
    pub const fn client_status(self) -> u16 {
        match self {
            Self::BadRequest { status } => status,
            Self::ContextTooLong | Self::ContentFilter | Self::Unrepresentable => 400,
            Self::BodyTooLarge => 413,
            Self::RateLimited { .. } => 429,
            Self::Overloaded { .. } | Self::CoolingDown { .. } => 503,
            Self::FirstByteTimeout | Self::Stalled | Self::Deadline => 504,
            Self::Connect
            | Self::Tls
            | Self::Cut
            | Self::Garbled
            | Self::MissingEnd
            | Self::InBand
            | Self::ServerError { .. }
            | Self::Unauthorized
            | Self::QuotaExhausted
            | Self::ModelNotFound
            | Self::Unfit => 502,
        }
    }

    /// The name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::FirstByteTimeout => "first_byte_timeout",
            Self::Stalled => "stalled",
            Self::Cut => "cut",
            Self::Garbled => "garbled",
            Self::MissingEnd => "missing_end",
            Self::InBand => "in_band",
            Self::RateLimited { .. } => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Overloaded { .. } => "overloaded",
            Self::ServerError { .. } => "server_error",
            Self::Unauthorized => "unauthorized",
            Self::BadRequest { .. } => "bad_request",
            Self::BodyTooLarge => "body_too_large",
            Self::ContextTooLong => "context_too_long",
            Self::ContentFilter => "content_filter",
            Self::ModelNotFound => "model_not_found",
            Self::Unfit => "unfit",
            Self::Unrepresentable => "unsupported_parameter",
            Self::CoolingDown { .. } => "cooling_down",
            Self::Deadline => "deadline",
        }
    }

    /// A partial answer may be gone on with after this. `continuing`: the failed call was a continuation itself, so that a
    /// refused request means no more than "not with me".
    pub(super) const fn can_continue(self, continuing: bool) -> bool {
        match self.recovery() {
            Recovery::Stop => continuing && matches!(self, Self::BadRequest { .. }),
            Recovery::LargerWindow | Recovery::NextTier => continuing,
            Recovery::Again { .. } | Recovery::NextTarget | Recovery::NextProvider => true,
        }
    }

    /// Rank of what to tell the client when several targets failed in different ways: what it can act on first.
    pub(super) const fn tells(self) -> u8 {
        match self.blame() {
            Blame::Caller => 3,
            Blame::Provider if self.retry_after_ms().is_some() => 2,
            Blame::Provider | Blame::Nobody => 1,
            Blame::Operator => 0,
        }
    }
}

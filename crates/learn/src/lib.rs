//! Trains, calibrates and measures the predictor on judged outcomes (pure).

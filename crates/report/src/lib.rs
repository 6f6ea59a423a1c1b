//! Figures and pages made of call records.

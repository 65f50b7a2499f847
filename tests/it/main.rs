//! Integration tests, in one binary so that libtorch is linked once.

mod golden;

//! /rosout: rcl publishes it for C++ and Python nodes, r2r does not.

use r2r::PublisherUntyped;
use tracing::Level;

use crate::ports::Clock;
use crate::telemetry;
use crate::telemetry::Line;
use crate::wire::cdr;
use crate::wire::msgs::Log;

/// Publishes every line of the log from now on, and first those that were said before.
pub fn publish(publisher: PublisherUntyped, clock: Clock, logger: String) {
    telemetry::listen(move |line| {
        // Failing here must not be logged: that would come back here.
        let _ = publisher.publish_raw(&cdr::encode(&log(line, &clock, &logger)));
    });
}

fn log(line: Line, clock: &Clock, logger: &str) -> Log {
    let level = match line.level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG | Level::TRACE => 10,
    };
    Log {
        stamp: clock().into(),
        level,
        name: logger.to_string(),
        msg: line.text,
        file: line.file.to_string(),
        function: line.target,
        line: line.line,
    }
}

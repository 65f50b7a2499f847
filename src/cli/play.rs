//! `play BAG`: publishes a bag on the ROS graph at its own speed.

use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `play`; remaps and the like go after `--ros-args`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A rosbag2 folder, or one .mcap or .db3 file.
    pub bag: PathBuf,
    /// 2: twice as fast as it was recorded.
    #[arg(long, default_value_t = 1.0, value_parser = above_zero)]
    pub rate: f64,
    /// Begin again at the end, until SIGINT.
    #[arg(long = "loop")]
    pub looped: bool,
    /// Ticks of /clock per second; 0: none.
    #[arg(long, default_value_t = 40.0)]
    pub clock: f64,
    /// Only these topics, with commas.
    #[arg(long, value_delimiter = ',')]
    pub topics: Option<Vec<String>>,
    /// Begin when so long no more listeners turned up, in seconds: discovery takes a moment.
    #[arg(long, default_value_t = 0.5)]
    pub wait: f64,
}

fn above_zero(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(rate) if rate > 0.0 && f64::is_finite(rate) => Ok(rate),
        _ => Err("wanted a number above 0".to_string()),
    }
}

/// This build cannot reach the graph.
#[cfg(not(feature = "ros"))]
pub fn run(_: &Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "this build has no ROS node; build it with `cargo build --features ros`, or use `replay`, which needs no ROS"
    )
}

/// Plays until the end of the bag, SIGINT or SIGTERM.
#[cfg(feature = "ros")]
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    use std::time::Duration;

    use crate::transport::bag::Bag;
    use crate::transport::bag::play::Pace;
    use crate::transport::bag::play::Schedule;
    use crate::transport::ros::Player;

    let bag = Bag::open(&args.bag)?;
    let topics: Vec<(String, String)> = bag
        .summary()?
        .topics
        .into_iter()
        .filter(|topic| args.topics.as_ref().is_none_or(|wanted| wanted.contains(&topic.name)))
        .filter(|topic| args.clock <= 0.0 || topic.name != "/clock")
        .map(|topic| (topic.name, topic.type_name))
        .collect();
    anyhow::ensure!(!topics.is_empty(), "bag {}: none of the wanted topics is in it", args.bag.display());
    let player = Player::open(&topics, args.clock > 0.0)?;
    player.wait_for_listeners(Duration::try_from_secs_f64(args.wait).unwrap_or_default());
    let names = topics.into_iter().map(|(name, _)| name).collect();
    let pace = Pace { rate: args.rate, looped: args.looped, clock_hz: args.clock };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let played = runtime.block_on(playing::play(&player, Schedule::new(bag, Some(names), pace)))?;
    println!("{played}");
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "ros")]
mod playing {
    use std::fmt;
    use std::time::Duration;

    use tokio::time::Instant;
    use tracing::warn;

    use crate::cli::run::stopped;
    use crate::transport::bag::play::Item;
    use crate::transport::bag::play::Schedule;
    use crate::transport::ros::Player;

    /// After the last message: so that it arrives before the player leaves.
    const LINGER: Duration = Duration::from_millis(200);

    /// What was played.
    #[derive(Debug, Default)]
    pub struct Played {
        messages: u64,
        unreadable: u64,
        took: Duration,
    }

    impl fmt::Display for Played {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "played {} messages in {:.1} s", self.messages, self.took.as_secs_f64())?;
            if self.unreadable > 0 {
                write!(f, "; {} could not be read", self.unreadable)?;
            }
            Ok(())
        }
    }

    pub async fn play(player: &Player, schedule: Schedule) -> anyhow::Result<Played> {
        let stop = stopped()?;
        tokio::pin!(stop);
        let (began, mut played) = (Instant::now(), Played::default());
        for due in schedule {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = tokio::time::sleep_until(began + due.at) => {}
            }
            match due.item {
                Item::Clock(now) => player.tick(now)?,
                Item::Message(record) => played.messages += u64::from(player.publish(&record.topic, &record.bytes)?),
                Item::Unreadable(error) => {
                    warn!("{error}");
                    played.unreadable += 1;
                }
            }
        }
        played.took = began.elapsed();
        tokio::time::sleep(LINGER).await;
        Ok(played)
    }
}

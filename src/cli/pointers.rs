//! `--click X,Y` and `--box X0,Y0,X1,Y1`, any number of both, in the order in which they were given: that is the order
//! of the slots in the prompt.

use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;

use crate::types::PixelBox;
use crate::types::VisualPrompt;

const CLICK: &str = "click";
const BOX: &str = "box";

/// What the command line points at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pointers(pub Vec<VisualPrompt>);

impl clap::Args for Pointers {
    fn augment_args(command: Command) -> Command {
        let repeated = |name, value, help| {
            Arg::new(name).long(name).value_name(value).help(help).action(ArgAction::Append).allow_hyphen_values(true)
        };
        command
            .arg(repeated(CLICK, "X,Y", "Point at a pixel; may be repeated").value_parser(click))
            .arg(repeated(BOX, "X0,Y0,X1,Y1", "Point at a rectangle of pixels; may be repeated").value_parser(area))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Pointers {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &str| {
            let values = matches.get_many::<VisualPrompt>(name).into_iter().flatten().cloned();
            let places = matches.indices_of(name).into_iter().flatten();
            places.zip(values).collect::<Vec<_>>()
        };
        let mut all = given(CLICK);
        all.extend(given(BOX));
        all.sort_by_key(|(place, _)| *place);
        Ok(Self(all.into_iter().map(|(_, prompt)| prompt).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn click(text: &str) -> Result<VisualPrompt, String> {
    let [x, y] = numbers(text, "X,Y")?;
    Ok(VisualPrompt::Click { x, y })
}

fn area(text: &str) -> Result<VisualPrompt, String> {
    let [x0, y0, x1, y1]: [i64; 4] = numbers(text, "X0,Y0,X1,Y1")?;
    match [x0, y0, x1, y1].map(u32::try_from) {
        [Ok(x0), Ok(y0), Ok(x1), Ok(y1)] if x0 < x1 && y0 < y1 => Ok(VisualPrompt::Box(PixelBox { x0, y0, x1, y1 })),
        _ => Err(format!("{text:?} has no pixel inside a picture; wanted 0 <= X0 < X1 and 0 <= Y0 < Y1")),
    }
}

fn numbers<T: std::str::FromStr + Copy, const N: usize>(text: &str, wanted: &str) -> Result<[T; N], String> {
    let numbers: Option<Vec<T>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    let numbers = numbers.and_then(|numbers| <[T; N]>::try_from(numbers).ok());
    numbers.ok_or_else(|| format!("wanted {wanted} in pixels, found {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        pointers: Pointers,
    }

    fn parse(args: &[&str]) -> Result<Vec<VisualPrompt>, String> {
        let line = Line::try_parse_from([&["p"], args].concat());
        line.map(|line| line.pointers.0).map_err(|e| e.to_string())
    }

    #[test]
    fn clicks_and_boxes_keep_their_order() {
        let click = |x, y| VisualPrompt::Click { x, y };
        let area = VisualPrompt::Box(PixelBox { x0: 5, y0: 6, x1: 7, y1: 8 });
        let args = ["--click", "1,2", "--box", "5, 6,7,8", "--click=3.5,-4"];
        assert_eq!(parse(&args), Ok(vec![click(1.0, 2.0), area, click(3.5, -4.0)]));
        assert_eq!(parse(&[]), Ok(Vec::new()));
    }

    #[test]
    fn wrong_numbers_are_refused_with_what_is_wanted() {
        for args in
            [["--click", "1"], ["--click", "a,b"], ["--box", "1,2,3"], ["--box", "5,5,5,9"], ["--box", "-1,0,2,2"]]
        {
            let error = parse(&args).unwrap_err();
            assert!(error.contains(args[1]) && error.contains("wanted"), "{error}");
        }
    }
}

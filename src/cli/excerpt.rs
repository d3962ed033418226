//! The line of a text at which something is wrong, with a mark under it.

/// Columns shown of a long line, with the fault in sight.
const WIDTH: usize = 100;

/// Line `line` of `text` with a mark under column `column` (both from 1, in characters), as long as `offending`.
pub(super) fn excerpt(
    name: &str,
    text: &str,
    line: usize,
    column: usize,
    offending: &str,
) -> String {
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let source: Vec<char> = text
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let at = column.saturating_sub(1).min(source.len());
    let from = if source.len() > WIDTH {
        at.saturating_sub(WIDTH / 2)
    } else {
        0
    };
    let shown: String = source.iter().skip(from).take(WIDTH).collect();
    let marked = offending.lines().next().unwrap_or_default().chars().count();
    let room = shown.chars().count().saturating_sub(at - from).max(1);
    let (indent, mark) = (" ".repeat(at - from), "^".repeat(marked.clamp(1, room)));
    format!(
        "{gutter}--> {name}:{line}:{column}\n{gutter} |\n{number} | {shown}\n{gutter} | {indent}{mark}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_stands_under_the_fault() {
        assert_eq!(
            excerpt("p.json", "{\n  \"Efect\": 1\n}", 2, 3, "\"Efect\""),
            " --> p.json:2:3\n  |\n2 |   \"Efect\": 1\n  |   ^^^^^^^\n"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_fault() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = excerpt("p", &text, 1, 501, "X");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[2].chars().count(), 4 + WIDTH);
        let mark = lines[3].find('^').unwrap();
        assert_eq!(lines[2].as_bytes()[mark], b'X');
    }

    #[test]
    fn places_beyond_the_text_are_marked_at_its_end() {
        for (line, column) in [(1, 99), (9, 1), (0, 0), (usize::MAX, usize::MAX)] {
            assert!(excerpt("p", "ab", line, column, "").contains('^'));
        }
    }
}

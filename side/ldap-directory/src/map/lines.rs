//! A text as several values of an attribute, which have no order: each has its number in front, as `12:name = "x"`.

/// Active Directory takes somewhat more than a thousand values of an attribute.
const VALUES: usize = 500;

/// The values of a text: a line in each, or several where there are too many.
pub(crate) fn split(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let together = lines.len().div_ceil(VALUES).max(1);
    let values = lines.chunks(together).enumerate();
    values
        .map(|(number, lines)| format!("{}:{}", number + 1, lines.join("\n")))
        .collect()
}

/// The text of values; those without a number don't count.
pub(crate) fn joined(values: Vec<String>) -> String {
    let mut lines: Vec<(u32, String)> = values
        .into_iter()
        .filter_map(|value| {
            let (number, line) = value.split_once(':')?;
            Some((number.parse().ok()?, line.to_owned()))
        })
        .collect();
    lines.sort();
    let lines: Vec<String> = lines.into_iter().map(|(_, line)| line).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back_from_few_values_in_any_order() {
        for count in [0, 1, 499, 501, 20_000] {
            let lines: Vec<String> = (0..count)
                .map(|number| format!("key{number} = 1:2"))
                .collect();
            let text = lines.join("\n");
            let mut values = split(&text);
            assert!(values.len() <= VALUES);
            values.reverse();
            assert_eq!(joined(values), text);
        }
        assert_eq!(
            joined(vec!["2:b".to_owned(), "x".to_owned(), "1:a".to_owned()]),
            "a\nb"
        );
    }
}

//! What holds for the tags of keys, users and roles (E-1).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ErrorCode;
use super::refusal::{Said, bad_member, said};
use crate::domain::limits::{TAG_KEY_CHARS_MAX, TAG_VALUE_CHARS_MAX, TAGS_MAX};
use crate::domain::state::Tags;

/// The tags of a request, in the order in which they were sent, as a set; refused by E-1's rules on the request alone.
pub fn read<'a>(
    pairs: impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>)> + Clone,
) -> Result<Tags, Said> {
    for (at, (key, value)) in pairs.clone().enumerate() {
        let at = at + 1;
        check_key(key, || format!("tags.{at}.member.tagKey"))?;
        if value.chars().count() > TAG_VALUE_CHARS_MAX {
            let must = format!("have length less than or equal to {TAG_VALUE_CHARS_MAX}");
            return Err(bad_member(
                value,
                &format!("tags.{at}.member.tagValue"),
                must,
            ));
        }
    }
    let mut tags = Tags::new();
    for (key, value) in pairs {
        if tags.insert(Arc::clone(key), Arc::clone(value)).is_some() {
            return Err(said(ErrorCode::Tag, "Duplicate tag keys"));
        }
    }
    check_reserved(tags.keys())?;
    check_count(tags.len())?;
    Ok(tags)
}

/// Refuses tag keys to be removed that no tag can have.
pub fn check_removed<'a>(keys: impl Iterator<Item = &'a Arc<str>> + Clone) -> Result<(), Said> {
    for (at, key) in keys.clone().enumerate() {
        check_key(key, || format!("tagKeys.{}.member", at + 1))?;
    }
    check_reserved(keys)
}

/// `old` with `new` over it (E-1), if that is not too many.
pub fn merged(old: &Tags, new: &Tags) -> Result<Tags, Said> {
    let mut tags = old.clone();
    tags.extend(
        new.iter()
            .map(|(key, value)| (Arc::clone(key), Arc::clone(value))),
    );
    check_count(tags.len())?;
    Ok(tags)
}

/// `old` without `keys`.
pub fn without<'a>(old: &Tags, keys: impl Iterator<Item = &'a Arc<str>>) -> Tags {
    let gone: BTreeSet<&Arc<str>> = keys.collect();
    let stay = old.iter().filter(|(key, _)| !gone.contains(key));
    stay.map(|(key, value)| (Arc::clone(key), Arc::clone(value)))
        .collect()
}

fn check_key(key: &str, path: impl FnOnce() -> String) -> Result<(), Said> {
    if key.is_empty() {
        let must = "have length greater than or equal to 1";
        return Err(bad_member(key, &path(), must));
    }
    if key.chars().count() > TAG_KEY_CHARS_MAX {
        let must = format!("have length less than or equal to {TAG_KEY_CHARS_MAX}");
        return Err(bad_member(key, &path(), must));
    }
    Ok(())
}

fn check_reserved<'a>(mut keys: impl Iterator<Item = &'a Arc<str>>) -> Result<(), Said> {
    let reserved = |key: &Arc<str>| {
        key.get(..4)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:"))
    };
    if keys.any(reserved) {
        return Err(said(
            ErrorCode::Tag,
            "Tags beginning with aws: are reserved",
        ));
    }
    Ok(())
}

fn check_count(count: usize) -> Result<(), Said> {
    if count > TAGS_MAX {
        return Err(said(ErrorCode::Tag, "Too many tags"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&str, &str)]) -> Option<(ErrorCode, String)> {
        let pairs: Vec<(Arc<str>, Arc<str>)> = pairs
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect();
        let said = read(pairs.iter().map(|(k, v)| (k, v))).err()?;
        Some((said.code, said.message.to_string()))
    }

    /// E-1, with AWS's texts; each with the negative twin that is accepted.
    #[test]
    fn tags_that_break_a_rule_are_refused() {
        let long_key = "k".repeat(129);
        let long_value = "v".repeat(257);
        let tag = |text: &str| Some((ErrorCode::Tag, text.to_string()));
        assert_eq!(
            refused(&[("a", "1"), ("a", "2")]),
            tag("Duplicate tag keys")
        );
        assert_eq!(refused(&[("a", "1"), ("A", "2")]), None);
        assert_eq!(
            refused(&[("AwS:x", "1")]),
            tag("Tags beginning with aws: are reserved")
        );
        assert_eq!(refused(&[("aws", "1"), ("äws:", "")]), None);
        assert_eq!(
            refused(&[(&long_key, "")]).map(|r| r.0),
            Some(ErrorCode::Validation)
        );
        assert_eq!(refused(&[(&long_key[1..], "")]), None);
        assert_eq!(
            refused(&[("a", ""), ("b", &long_value)]).map(|r| r.1),
            Some(format!(
                "1 validation error detected: Value '{long_value}' at 'tags.2.member.tagValue' failed to satisfy constraint: Member must have length less than or equal to 256"
            ))
        );
        assert_eq!(
            refused(&[("", "")]).map(|r| r.0),
            Some(ErrorCode::Validation)
        );
        let keys: Vec<String> = (0..51).map(|n| n.to_string()).collect();
        let many: Vec<(&str, &str)> = keys.iter().map(|k| (&**k, "")).collect();
        assert_eq!(refused(&many), tag("Too many tags"));
        assert_eq!(refused(&many[1..]), None);
    }
}

//! Tags of keys, and how tags of anything are read and told.

use std::sync::Arc;

use super::reply::{done, pages};
use super::request::{changes, queries};
use super::shape::{self, Violations};
use super::{Invalid, arc, key_ref, page};
use crate::domain::limits;
use crate::domain::op::ErrorCode;
use crate::domain::op::list_resource_tags::ListResourceTags;
use crate::domain::op::tag_resource::TagResource;
use crate::domain::op::untag_resource::UntagResource;
use crate::domain::state::Tags;
use crate::wire::v1;

impl Violations {
    /// Tags that may be none.
    pub(super) fn tags(&mut self, tags: &[v1::Tag]) {
        let keys: Vec<&str> = tags.iter().map(|tag| tag.tag_key.as_str()).collect();
        self.list("tags", &keys, limits::REQUEST_TAGS_MAX);
        for (at, v1::Tag { tag_key, tag_value }) in tags.iter().enumerate() {
            let member = format!("tags.{}.member", at + 1);
            self.text(&format!("{member}.tagKey"), tag_key, shape::TAG_KEY);
            self.text(&format!("{member}.tagValue"), tag_value, shape::TAG_VALUE);
        }
    }

    /// Tags to put: at least one.
    pub(super) fn some_tags(&mut self, tags: &[v1::Tag]) {
        if tags.is_empty() {
            self.missing("tags");
        }
        self.tags(tags);
    }

    /// The keys of tags to take away: at least one.
    pub(super) fn some_tag_keys(&mut self, keys: &[String]) {
        if keys.is_empty() {
            self.missing("tagKeys");
        }
        self.list("tagKeys", keys, limits::REQUEST_TAGS_MAX);
        for (at, key) in keys.iter().enumerate() {
            self.text(&format!("tagKeys.{}.member", at + 1), key, shape::TAG_KEY);
        }
    }
}

fn pairs(tags: Vec<v1::Tag>) -> Vec<(Arc<str>, Arc<str>)> {
    tags.into_iter()
        .map(|v1::Tag { tag_key, tag_value }| (arc(tag_key), arc(tag_value)))
        .collect()
}

/// Tags of which no key stands twice (E-1).
pub(super) fn distinct(tags: Vec<v1::Tag>) -> Result<Tags, Invalid> {
    let mut distinct = Tags::new();
    for (key, value) in pairs(tags) {
        if distinct.insert(key, value).is_some() {
            return Err(Invalid::new(ErrorCode::Tag, "Duplicate tag keys"));
        }
    }
    Ok(distinct)
}

/// Tags as they are told.
pub(super) fn told(tags: impl IntoIterator<Item = (Arc<str>, Arc<str>)>) -> Vec<v1::Tag> {
    tags.into_iter().map(one).collect()
}

fn one((key, value): (Arc<str>, Arc<str>)) -> v1::Tag {
    v1::Tag {
        tag_key: key.to_string(),
        tag_value: value.to_string(),
    }
}

changes! {
    TagResourceRequest { key_id, tags }
        check |violations| {
            violations.key(&key_id);
            violations.some_tags(&tags);
        }
        => TagResource {
            key: key_ref(&key_id)?,
            tags: pairs(tags),
        }

    UntagResourceRequest { key_id, tag_keys }
        check |violations| {
            violations.key(&key_id);
            violations.some_tag_keys(&tag_keys);
        }
        => UntagResource {
            key: key_ref(&key_id)?,
            tag_keys: tag_keys.into_iter().map(arc).collect(),
        }
}

queries! {
    ListResourceTagsRequest { key_id, page: sent }
        check |violations| {
            violations.key(&key_id);
            violations.page(sent.as_ref());
        }
        => ListResourceTags {
            key: key_ref(&key_id)?,
            page: page(sent),
        }
}

done!(TagResourceResponse, UntagResourceResponse);

pages! {
    ListResourceTagsResponse { tags } of Tags by one;
}

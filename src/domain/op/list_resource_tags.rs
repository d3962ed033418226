//! `ListResourceTags`: lists the tags of a key.

use super::Answer;
use super::Page;
use super::context::{Context, Question};
use super::page::{Cursor, Sizes};
use super::refusal::{Said, refusals};
use crate::domain::authz::Denied;
use crate::domain::authz::request::Parameters;
use crate::domain::authz::resolve::Unresolved;
use crate::domain::ids::KeyRef;
use crate::domain::policy::KmsAction;
use std::sync::Arc;

/// Lists the tags of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListResourceTags {
    /// The key as the caller named it (ID-6 says which forms an operation takes).
    pub key: KeyRef,
    /// Which page (G-32).
    pub page: Page,
}

refusals! {
    /// Why ListResourceTags is refused, in the order of its checks.
    Refusal {
        /// No such key.
        Key(Unresolved),
        /// A limit or marker that cannot be.
        Page(Said),
        /// Not permitted.
        Denied(Denied),
    }
}

impl Question for ListResourceTags {
    type Refusal = Refusal;

    fn answer(&self, cx: &Context<'_>) -> Result<Answer, Refusal> {
        let key = cx.key_without_alias(&self.key)?;
        let listing = format!("tags of {}", key.arn);
        let cursor: Cursor<String> =
            Cursor::read(&self.page, Sizes::TAGS, &listing).map_err(Refusal::Page)?;
        cx.allow_key(KmsAction::ListResourceTags, key, Parameters::NONE)?;
        let after = cursor.after.clone();
        let tags = key.tags.iter();
        let tags = tags.filter(|(name, _)| after.as_deref().is_none_or(|after| &***name > after));
        let position = |(name, _): &(&Arc<str>, &Arc<str>)| name.to_string();
        let keep =
            |(name, value): &(&Arc<str>, &Arc<str>)| Some((Arc::clone(name), Arc::clone(value)));
        Ok(Answer::Tags(cursor.page(tags, position, keep)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::op::Query;
    use crate::domain::op::testing::{ADMIN, BOB, Cluster, all_pages, check_rows, key, page};

    fn list(key: KeyRef, page: Page) -> Query {
        Query::ListResourceTags(ListResourceTags { key, page })
    }

    #[test]
    fn list_resource_tags_refuses_in_the_order_of_its_checks() {
        let cluster = Cluster::new();
        check_rows(vec![
            (
                "no such key",
                cluster.ask(BOB, list(key(9), page(0, None))).unwrap_err(),
                "NotFoundException",
                "does not exist",
            ),
            (
                "51 entries a page",
                cluster.ask(BOB, list(key(1), page(51, None))).unwrap_err(),
                "ValidationException",
                "less than or equal to 50",
            ),
            (
                "no permission",
                cluster.ask(BOB, list(key(1), page(50, None))).unwrap_err(),
                "AccessDeniedException",
                "kms:ListResourceTags",
            ),
        ]);
    }

    #[test]
    fn tags_are_listed_in_order_page_by_page() {
        let mut cluster = Cluster::new();
        cluster.set_key(|key| key.tags = ["b", "a", "c"].map(|k| (k.into(), "v".into())).into());
        let (all, pages) = all_pages(
            |page| match cluster.ask(ADMIN, list(key(1), page)) {
                Ok(Answer::Tags(paged)) => paged,
                other => panic!("{other:?}"),
            },
            2,
        );
        let keys: Vec<&str> = all.iter().map(|(k, _)| &**k).collect();
        assert_eq!((keys, pages), (vec!["a", "b", "c"], 2));
    }
}

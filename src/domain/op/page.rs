//! Pages of listings: limits, and markers that survive changes in between (G-32).
//!
//! A marker names the last entry that was shown, not a count: entries that come or go in between move nothing. It is
//! bound to its listing, so one of another listing, or one that was made up, is refused rather than misread.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::refusal::{Said, bad_member, said};
use super::{ErrorCode, Page, Paged};
use crate::domain::effort::Effort;
use crate::domain::limits;

/// The form of markers: raised when it changes, so that an old one is refused and not misread.
const VERSION: u8 = 1;

/// How many bytes of the listing's hash a marker carries.
const TAG_LEN: usize = 8;

/// The sizes of a listing's pages.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Without `Limit`.
    pub default: u32,
    /// The greatest `Limit`.
    pub max: u32,
}

impl Sizes {
    /// Grants, retirable grants: the pages of the operations say 1 to 100, the shape 1 to 1000 (G-32).
    pub const GRANTS: Self = Self {
        default: 50,
        max: 100,
    };
    /// Grants of a grantee on every key, and duplicates of grants, which AWS does not list.
    pub const OWN_GRANTS: Self = Self {
        default: 50,
        max: 1000,
    };
    /// Keys, policy names, custom key stores, and what IAM and we list.
    pub const KEYS: Self = Self {
        default: 100,
        max: 1000,
    };
    /// Aliases.
    pub const ALIASES: Self = Self {
        default: 50,
        max: 100,
    };
    /// Principals or keys whose access is looked at: each is some dozens of decisions.
    pub const ACCESS: Self = Self {
        default: 50,
        max: 100,
    };
    /// Tags.
    pub const TAGS: Self = Self {
        default: 50,
        max: 50,
    };
}

/// A page that was asked for well.
#[derive(Debug)]
pub struct Cursor<K> {
    listing: [u8; TAG_LEN],
    limit: usize,
    /// The last entry of the page before.
    pub after: Option<K>,
}

impl<K: FromStr + fmt::Display> Cursor<K> {
    /// Reads `page` as one of `listing`: a text that no other listing has.
    pub fn read(page: &Page, sizes: Sizes, listing: &str) -> Result<Self, Said> {
        let limit = page.limit.unwrap_or(sizes.default);
        if limit < 1 {
            return Err(bad_member(
                limit,
                "limit",
                "have value greater than or equal to 1",
            ));
        }
        if limit > sizes.max {
            let must = format!("have value less than or equal to {}", sizes.max);
            return Err(bad_member(limit, "limit", must));
        }
        let hash = blake3::hash(listing.as_bytes());
        let (tag, _) = hash.as_bytes().split_at(TAG_LEN);
        let mut listing = [0; TAG_LEN];
        listing.copy_from_slice(tag);
        let after = match &page.marker {
            None => None,
            Some(marker) => Some(read_marker(marker, listing).ok_or_else(|| {
                said(
                    ErrorCode::InvalidMarker,
                    "The marker is not one that an earlier page of this listing gave.",
                )
            })?),
        };
        Ok(Self {
            listing,
            limit: limit as usize,
            after,
        })
    }

    /// The page: of `items`, which begin after `self.after`, the first that `keep` takes. Looks at no more than
    /// [`limits::LIST_SCAN_MAX`] of them, so a page may hold fewer than were asked for and still not be the last.
    pub fn page<T, U>(
        self,
        items: impl Iterator<Item = T>,
        position: impl Fn(&T) -> K,
        keep: impl FnMut(&T) -> Option<U>,
    ) -> Paged<U> {
        self.page_within(None, items, position, keep)
    }

    /// [`Self::page`] of what is work to look at: it ends as well once `effort` has spent [`limits::PAGE_WORK`], and so
    /// depends on the state and the question alone.
    pub fn page_within<T, U>(
        self,
        effort: Option<&Effort<'_>>,
        items: impl Iterator<Item = T>,
        position: impl Fn(&T) -> K,
        mut keep: impl FnMut(&T) -> Option<U>,
    ) -> Paged<U> {
        let is_done = || effort.is_some_and(|effort| effort.spent() >= limits::PAGE_WORK);
        let mut items = items.peekable();
        let mut kept = Vec::new();
        let mut scanned = 0;
        while let Some(item) = items.next() {
            scanned += 1;
            kept.extend(keep(&item));
            if (kept.len() == self.limit || scanned == limits::LIST_SCAN_MAX || is_done())
                && items.peek().is_some()
            {
                return Paged {
                    items: kept,
                    next: Some(self.marker(&position(&item))),
                };
            }
        }
        Paged {
            items: kept,
            next: None,
        }
    }

    fn marker(&self, last: &K) -> Arc<str> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.listing);
        bytes.extend(last.to_string().bytes());
        URL_SAFE_NO_PAD.encode(bytes).into()
    }
}

impl Cursor<String> {
    /// The page of a listing of names, which come in order.
    pub fn names<'a>(self, names: impl Iterator<Item = &'a Arc<str>>) -> Paged<Arc<str>> {
        let after = self.after.clone();
        let names = names.filter(|name| after.as_deref().is_none_or(|after| &***name > after));
        self.page(
            names,
            |name| name.to_string(),
            |name| Some(Arc::clone(name)),
        )
    }
}

fn read_marker<K: FromStr>(marker: &str, listing: [u8; TAG_LEN]) -> Option<K> {
    if marker.len() > limits::MARKER_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(marker).ok()?;
    let (version, rest) = bytes.split_first()?;
    let (tag, last) = rest.split_at_checked(TAG_LEN)?;
    if *version != VERSION || tag != listing {
        return None;
    }
    std::str::from_utf8(last).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(page: &Page) -> Result<Cursor<u64>, Said> {
        Cursor::read(page, Sizes::GRANTS, "numbers")
    }

    fn list(numbers: &[u64], page: &Page) -> Paged<u64> {
        let cursor = read(page).unwrap();
        let after = cursor.after;
        let rest = numbers
            .iter()
            .copied()
            .filter(move |n| after.is_none_or(|after| *n > after));
        cursor.page(rest, |n| *n, |n| (n % 2 == 0).then_some(*n))
    }

    fn page(limit: u32, marker: Option<Arc<str>>) -> Page {
        Page {
            limit: Some(limit),
            marker,
        }
    }

    /// G-32: pages cover every entry once, and an entry that goes in between moves nothing.
    #[test]
    fn pages_cover_what_stays_although_entries_come_and_go() {
        let first = list(&[2, 3, 4, 6, 8], &page(2, None));
        assert_eq!(first.items, [2, 4]);
        let second = list(&[2, 5, 6, 7, 8], &page(2, first.next));
        assert_eq!(
            second,
            Paged {
                items: vec![6, 8],
                next: None
            }
        );
    }

    /// G-32: a marker is present if and only if there is more.
    #[test]
    fn last_page_has_no_marker_even_when_it_is_full() {
        assert_eq!(list(&[2, 4], &page(2, None)).next, None);
        assert!(list(&[2, 4, 5], &page(2, None)).next.is_some());
    }

    #[test]
    fn page_of_a_long_filtered_listing_ends_early_and_goes_on() {
        let odd: Vec<u64> = (0..limits::LIST_SCAN_MAX as u64 * 2)
            .map(|n| n * 2 + 1)
            .collect();
        let first = list(&odd, &page(10, None));
        assert!(first.items.is_empty());
        let second = list(&odd, &page(10, first.next));
        assert_eq!(
            second,
            Paged {
                items: vec![],
                next: None
            }
        );
    }

    /// G-32: a bad marker is InvalidMarkerException; so is that of another listing.
    #[test]
    fn marker_that_was_not_given_by_this_listing_is_refused() {
        let good = list(&[2, 4, 6], &page(1, None)).next.unwrap();
        let other: Result<Cursor<u64>, _> =
            Cursor::read(&page(1, Some(good.clone())), Sizes::GRANTS, "other numbers");
        assert_eq!(other.unwrap_err().code, ErrorCode::InvalidMarker);
        for junk in ["", "AA", "%", &good[1..], &"A".repeat(2_000)] {
            let refused = read(&page(1, Some(junk.into()))).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidMarker, "{junk}");
        }
    }

    /// W-3, G-32: the exact sentences of a value out of the range that the page of ListGrants says.
    #[test]
    fn limit_out_of_range_is_refused() {
        assert_eq!(
            &*read(&page(0, None)).unwrap_err().message,
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"
        );
        assert!(read(&page(100, None)).is_ok());
        assert_eq!(
            &*read(&page(101, None)).unwrap_err().message,
            "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100"
        );
    }
}

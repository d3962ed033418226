//! IAM groups by ARN. A group is never an identity, nor a principal of a policy (ID-16, ID-20).

use std::str::FromStr;
use std::sync::Arc;

use super::{
    AccountId, IdFault, IdKind, ParseIdError, Partition, by_text, check_len, fault, split_arn,
};
use crate::domain::limits;

/// The ARN of a group, `arn:<partition>:iam::<account>:group/<path><name>`. Compared by its text, byte for byte.
#[derive(Clone)]
pub struct GroupArn {
    text: Arc<str>,
    partition: Partition,
    account: AccountId,
    /// Where the name begins.
    name: u16,
}

impl GroupArn {
    /// The whole text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The partition.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The account that the group belongs to.
    pub const fn account(&self) -> AccountId {
        self.account
    }

    /// The group's name, without its path.
    pub fn name(&self) -> &str {
        self.text.get(usize::from(self.name)..).unwrap_or_default()
    }
}

impl FromStr for GroupArn {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let wrong = |what: IdFault| fault(IdKind::Group, what, text);
        check_len(IdKind::Group, text, limits::GROUP_ARN_MAX)?;
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'_' | b'+' | b'=' | b',' | b'.' | b'@' | b':' | b'/' | b'-'
                )
        };
        if let Some(at) = text.bytes().position(|byte| !allowed(byte)) {
            return Err(wrong(IdFault::BadCharacter { at }));
        }
        let expected = "the ARN of a group, `arn:aws:iam::<account>:group/<name>`";
        let form = || wrong(IdFault::BadForm { expected });
        let parts = split_arn(text).ok_or_else(form)?;
        let partition =
            Partition::read(parts.partition).ok_or_else(|| wrong(IdFault::BadPartition))?;
        if parts.service != "iam" {
            return Err(wrong(IdFault::WrongService { expected: "iam" }));
        }
        if !parts.region.is_empty() {
            return Err(wrong(IdFault::BadRegion));
        }
        let account = AccountId::read(parts.account).ok_or_else(|| wrong(IdFault::BadAccount))?;
        let body = parts.resource.strip_prefix("group/").ok_or_else(form)?;
        let name = body.rsplit('/').next().unwrap_or_default();
        // No part of a path is empty, and the last is the name.
        let good = !body.contains(':')
            && body.split('/').all(|part| !part.is_empty())
            && name.len() <= limits::GROUP_NAME_MAX;
        if !good {
            return Err(form());
        }
        Ok(Self {
            partition,
            account,
            name: u16::try_from(text.len() - name.len()).map_err(|_| form())?,
            text: text.into(),
        })
    }
}

by_text!(GroupArn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_is_taken_apart() {
        let group: GroupArn = "arn:aws:iam::111122223333:group/eng/readers"
            .parse()
            .unwrap();
        assert_eq!(
            (group.account().to_string().as_str(), group.name()),
            ("111122223333", "readers")
        );
        assert_eq!(
            group.to_string(),
            "arn:aws:iam::111122223333:group/eng/readers"
        );
    }

    /// ID-16: nothing but a group is one.
    #[test]
    fn group_of_another_form_is_refused() {
        for text in [
            "",
            "readers",
            "arn:aws:iam::111122223333:user/bob",
            "arn:aws:iam::111122223333:group/",
            "arn:aws:iam::111122223333:group//x",
            "arn:aws:iam::111122223333:group/x/",
            "arn:aws:iam::111122223333:group/*",
            "arn:aws:iam::111122223333:group/a:b",
            "arn:aws:sts::111122223333:group/x",
            "arn:aws:iam:eu-west-1:111122223333:group/x",
            "arn:aws:iam::1111:group/x",
            "arn:other:iam::111122223333:group/x",
            &format!("arn:aws:iam::111122223333:group/{}", "n".repeat(129)),
        ] {
            let error = text.parse::<GroupArn>().unwrap_err();
            assert_eq!(error.kind(), IdKind::Group, "{text}");
        }
    }
}

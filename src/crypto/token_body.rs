//! The sealed body of a grant token: a small, strict, versioned encoding of a grant, or of its ids alone.
//!
//! Every text is a length (u16, big-endian) and UTF-8; an absent member is one zero byte. Trailing bytes are refused.
//! The layout is part of the token's version: a change of it is a new version byte in the token's header.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::ids::{GrantId, KeyArn};
use crate::domain::state::grant::{
    ContextConstraint, EncryptionContext, Grant, GrantConstraints, GrantOperations, GrantPrincipal,
    Term,
};
use crate::domain::time::{Revision, Timestamp};

/// What a token names: the whole grant, or its ids where the grant is too large for a token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TokenBody {
    /// The grant as it came to be.
    Grant(Arc<Grant>),
    /// Its key and id: a node that has not applied the create waits for the token's revision.
    Ids {
        /// The grant's key.
        key: KeyArn,
        /// The grant's id.
        grant_id: GrantId,
    },
}

const WHOLE: u8 = 1;
const IDS: u8 = 2;

/// An authentic body that does not decode: made by a binary of another layout under the same version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct BodyError;

/// Appends `grant` whole. `None` if a text is too long for its length field.
pub(super) fn encode_grant(grant: &Grant) -> Option<Vec<u8>> {
    let Grant {
        id,
        key,
        grantee,
        retiring,
        operations,
        constraints:
            GrantConstraints {
                context,
                source_arn,
                term: Term { expires_at, uses },
            },
        name,
        issuing_account,
        created_at,
        born: _, // stands in the token's header
        // A decision ahead of the state needs neither: a budget never allows there (EC-13), and to revoke is a write.
        spent: _,
        ancestors: _,
        epoch: _, // stands in the token's header
    } = grant;
    let mut out = vec![WHOLE];
    out.extend_from_slice(&id.0);
    put_text(&mut out, &key.to_string())?;
    put_principal(&mut out, grantee)?;
    put_option(&mut out, retiring.as_ref(), put_principal)?;
    out.extend_from_slice(&operations.bits().to_be_bytes());
    match context {
        None => out.push(0),
        Some(ContextConstraint::Equals(pairs)) => {
            out.push(1);
            put_pairs(&mut out, pairs)?;
        }
        Some(ContextConstraint::Subset(pairs)) => {
            out.push(2);
            put_pairs(&mut out, pairs)?;
        }
    }
    put_option(&mut out, source_arn.as_ref(), |out, arn| {
        put_text(out, &arn.to_string())
    })?;
    put_option(&mut out, name.as_ref(), |out, name| put_text(out, name))?;
    put_text(&mut out, &issuing_account.to_string())?;
    out.extend_from_slice(&created_at.as_millis().to_be_bytes());
    put_option(&mut out, expires_at.as_ref(), |out, end| {
        out.extend_from_slice(&end.as_millis().to_be_bytes());
        Some(())
    })?;
    put_option(&mut out, uses.as_ref(), |out, uses| {
        out.extend_from_slice(&uses.to_be_bytes());
        Some(())
    })?;
    Some(out)
}

/// The ids of a grant alone.
pub(super) fn encode_ids(key: &KeyArn, id: GrantId) -> Option<Vec<u8>> {
    let mut out = vec![IDS];
    out.extend_from_slice(&id.0);
    put_text(&mut out, &key.to_string())?;
    Some(out)
}

/// Decodes a body that was found authentic; `born` and `epoch` come from the header.
pub(super) fn decode(bytes: &[u8], born: Revision, epoch: u32) -> Result<TokenBody, BodyError> {
    let mut input = Input(bytes);
    let kind = input.byte()?;
    let id = GrantId(input.array()?);
    let key: KeyArn = input.parse()?;
    let body = match kind {
        IDS => TokenBody::Ids { key, grant_id: id },
        WHOLE => TokenBody::Grant(Arc::new(input.grant(id, key, born, epoch)?)),
        _ => return Err(BodyError),
    };
    input.end()?;
    Ok(body)
}
fn put_text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    out.extend_from_slice(&u16::try_from(text.len()).ok()?.to_be_bytes());
    out.extend_from_slice(text.as_bytes());
    Some(())
}

fn put_option<T>(
    out: &mut Vec<u8>,
    value: Option<&T>,
    put: impl FnOnce(&mut Vec<u8>, &T) -> Option<()>,
) -> Option<()> {
    match value {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            put(out, value)?;
        }
    }
    Some(())
}

fn put_principal(out: &mut Vec<u8>, principal: &GrantPrincipal) -> Option<()> {
    match principal {
        GrantPrincipal::Arn { arn, unique_id } => {
            out.push(1);
            put_text(out, arn.as_str())?;
            put_text(out, unique_id.as_str())
        }
        GrantPrincipal::Service(service) => {
            out.push(2);
            put_text(out, service.as_str())
        }
    }
}

fn put_pairs(out: &mut Vec<u8>, pairs: &EncryptionContext) -> Option<()> {
    out.push(u8::try_from(pairs.len()).ok()?);
    for (key, value) in pairs {
        put_text(out, key)?;
        put_text(out, value)?;
    }
    Some(())
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BodyError> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(BodyError)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BodyError> {
        self.take(N)?.try_into().map_err(|_| BodyError)
    }

    fn byte(&mut self) -> Result<u8, BodyError> {
        self.array().map(|[b]| b)
    }

    fn text(&mut self) -> Result<&'a str, BodyError> {
        let len = u16::from_be_bytes(self.array()?);
        std::str::from_utf8(self.take(usize::from(len))?).map_err(|_| BodyError)
    }

    fn parse<T: std::str::FromStr>(&mut self) -> Result<T, BodyError> {
        self.text()?.parse().map_err(|_| BodyError)
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, BodyError>,
    ) -> Result<Option<T>, BodyError> {
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(BodyError),
        }
    }

    fn principal(&mut self) -> Result<GrantPrincipal, BodyError> {
        match self.byte()? {
            1 => Ok(GrantPrincipal::Arn {
                arn: self.parse()?,
                unique_id: self.parse()?,
            }),
            2 => self.parse().map(GrantPrincipal::Service),
            _ => Err(BodyError),
        }
    }

    fn pairs(&mut self) -> Result<Arc<EncryptionContext>, BodyError> {
        let n = self.byte()?;
        let mut pairs = BTreeMap::new();
        for _ in 0..n {
            let key = self.text()?;
            pairs.insert(Arc::from(key), Arc::from(self.text()?));
        }
        Ok(Arc::new(pairs))
    }

    /// The members of a grant, in the order in which they were put.
    fn grant(
        &mut self,
        id: GrantId,
        key: KeyArn,
        born: Revision,
        epoch: u32,
    ) -> Result<Grant, BodyError> {
        let grantee = self.principal()?;
        let retiring = self.option(Self::principal)?;
        let operations =
            GrantOperations::from_bits(u32::from_be_bytes(self.array()?)).ok_or(BodyError)?;
        let context = match self.byte()? {
            0 => None,
            1 => Some(ContextConstraint::Equals(self.pairs()?)),
            2 => Some(ContextConstraint::Subset(self.pairs()?)),
            _ => return Err(BodyError),
        };
        let source_arn = self.option(Self::parse)?;
        let name = self.option(|input| input.text().map(Arc::from))?;
        let issuing_account = self.parse()?;
        let time = |input: &mut Self| {
            let ms = u64::from_be_bytes(input.array()?);
            Ok(Timestamp::from_millis(ms))
        };
        let created_at = time(self)?;
        let term = Term {
            expires_at: self.option(time)?,
            uses: self.option(|input| input.array().map(u32::from_be_bytes))?,
        };
        Ok(Grant {
            id,
            key,
            grantee,
            retiring,
            operations,
            constraints: GrantConstraints {
                context,
                source_arn,
                term,
            },
            name,
            issuing_account,
            created_at,
            born,
            spent: 0,
            ancestors: Vec::new(),
            epoch,
        })
    }

    fn end(self) -> Result<(), BodyError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(BodyError)
        }
    }
}

//! Checkpoints in a block. Their signatures are verified when parts are merged.

use crate::verify::bytes::{Bytes, Damaged, put_number, put_text};
use crate::verify::rows::Stored;
use flb_audit_core::chain::certificate::{Certificate, Handover, KeyStatement};
use flb_audit_core::chain::checkpoint::Checkpoint;
use flb_audit_core::chain::enrollment::{Enrollment, LentKey, Role};
use flb_audit_core::chain::signature::PublicKey;
use flb_audit_core::chain::{ChainId, Place};

/// Appends a checkpoint without its chain and its place, which are the record's.
pub(super) fn put_checkpoint(out: &mut Vec<u8>, checkpoint: &Checkpoint) {
    let Checkpoint { chain: _, place: _, head, key, signature } = checkpoint;
    out.extend_from_slice(head);
    out.extend_from_slice(signature);
    put_number(out, key.index.into());
    put_number(out, key.certificates.len() as u64);
    for Certificate { index, public, role, signature } in &key.certificates {
        put_number(out, (*index).into());
        out.extend_from_slice(public.as_bytes());
        out.push((*role == Role::Ledger).into());
        out.extend_from_slice(signature);
    }
    put_number(out, key.since.len() as u64);
    for Handover { index, place, head, signature } in &key.since {
        put_number(out, (*index).into());
        place.put(out);
        out.extend_from_slice(head);
        out.extend_from_slice(signature);
    }
    out.push(key.enrollment.is_some().into());
    if let Some(of) = &key.enrollment {
        put_text(out, of.node.as_bytes());
        out.extend_from_slice(of.root.as_bytes());
        out.extend_from_slice(&of.signature);
        out.push((of.role == Role::Ledger).into());
        put_number(out, of.since);
        out.push(of.until.is_some().into());
        of.until.into_iter().for_each(|until| put_number(out, until));
        out.push(of.lent.is_some().into());
        if let Some(LentKey { public, since, until, role, signature }) = &of.lent {
            out.extend_from_slice(public.as_bytes());
            out.extend_from_slice(signature);
            put_number(out, *since);
            put_number(out, *until);
            out.push((*role == Role::Ledger).into());
        }
    }
}

pub(super) fn checkpoint(from: &mut Bytes<'_>, chain: ChainId, at: Place) -> Result<Checkpoint, Damaged> {
    let (head, signature) = (from.array()?, from.array()?);
    let index = index(from)?;
    let certificates = (0..from.number()?).map(|_| certificate(from)).collect::<Result<_, _>>()?;
    let since = (0..from.number()?).map(|_| handover(from)).collect::<Result<_, _>>()?;
    let enrollment = if from.byte()? == 1 { Some(Box::new(enrollment(from)?)) } else { None };
    let key = KeyStatement { index, certificates, enrollment, since };
    Ok(Checkpoint { chain, place: at, head, key, signature })
}

fn index(from: &mut Bytes<'_>) -> Result<u32, Damaged> {
    from.number()?.try_into().map_err(|_| Damaged)
}

fn public_key(from: &mut Bytes<'_>) -> Result<PublicKey, Damaged> {
    Ok(PublicKey::from_bytes(from.array()?))
}

fn certificate(from: &mut Bytes<'_>) -> Result<Certificate, Damaged> {
    Ok(Certificate {
        index: index(from)?,
        public: public_key(from)?,
        role: role(from)?,
        signature: from.array()?,
    })
}

fn handover(from: &mut Bytes<'_>) -> Result<Handover, Damaged> {
    Ok(Handover {
        index: index(from)?,
        place: Place::take(from)?,
        head: from.array()?,
        signature: from.array()?,
    })
}

fn enrollment(from: &mut Bytes<'_>) -> Result<Enrollment, Damaged> {
    let node = String::from_utf8(from.text()?.to_vec()).map_err(|_| Damaged)?;
    let (root, signature) = (public_key(from)?, from.array()?);
    let (role, since) = (role(from)?, from.number()?);
    let until = if from.byte()? == 1 { Some(from.number()?) } else { None };
    let lent = if from.byte()? == 1 { Some(lent_key(from)?) } else { None };
    Ok(Enrollment { node, root, role, since, until, lent, signature })
}

fn lent_key(from: &mut Bytes<'_>) -> Result<LentKey, Damaged> {
    let (public, signature) = (public_key(from)?, from.array()?);
    let (since, until) = (from.number()?, from.number()?);
    Ok(LentKey { public, since, until, role: role(from)?, signature })
}

fn role(from: &mut Bytes<'_>) -> Result<Role, Damaged> {
    Ok(if from.byte()? == 1 { Role::Ledger } else { Role::Filter })
}

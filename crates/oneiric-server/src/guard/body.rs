//! Reads a body, as far as one may be read.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use tokio::sync::OwnedSemaphorePermit;

use super::room::Room;
use crate::problem::Problem;

/// The body, and the space that it takes, to be kept until it is gone. One that says that it is longer than `most` is
/// refused before it is read, one that turns out to be is refused there.
pub(super) async fn read(
    body: Body,
    headers: &HeaderMap,
    most: u64,
    room: &Room,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Problem> {
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    // What is no number never got here.
    let stated = stated.and_then(|length| length.parse::<u64>().ok());
    if stated.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    // Room for as much as is stated is taken when it comes: to state a length is free.
    let (mut whole, mut space): (Vec<u8>, Option<OwnedSemaphorePermit>) = (Vec::new(), None);
    let mut parts = body.into_data_stream();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, "bad-body", format!("the body cannot be read: {error}"))
        })?;
        if (whole.len() + part.len()) as u64 > most {
            return Err(too_large(most));
        }
        let more = room.space(part.len())?;
        match &mut space {
            Some(space) => space.merge(more),
            None => space = Some(more),
        }
        whole.extend_from_slice(&part);
    }
    Ok((whole.into(), space))
}

fn too_large(most: u64) -> Problem {
    let message = match most {
        0 => "there can be no body here".to_owned(),
        most => format!("the body is longer than {most} bytes"),
    };
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
}

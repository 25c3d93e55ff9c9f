//! Counts one file, chunk by chunk.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use raddle::Event;

use crate::WordRule;
use crate::tally::Counts;

/// How much is read at a time: enough that system calls do not matter, and not more than fits the cache of a core.
pub(crate) const CHUNK: usize = 128 * 1024;

pub(crate) struct Counted {
    pub(crate) counts: Counts,
    pub(crate) is_utf8: bool,
}

/// Counts the file with the help of `buffer`. `None` if it was told to stop.
pub(crate) fn count_file(
    path: &Path,
    buffer: &mut [u8],
    words: WordRule,
    stop: &Event,
) -> io::Result<Option<Counted>> {
    let mut file = File::open(path)?;
    let mut counter = Counter::new(words);
    let mut is_utf8 = true;
    // A character that the end of a chunk has cut in two: its beginning is moved to the front of the buffer, so many bytes,
    // and the next chunk read behind it.
    let mut cut = 0;
    while !stop.is_set() {
        let end = match file.read(&mut buffer[cut..]) {
            Ok(0) => {
                let counts = counter.finish();
                return Ok(Some(Counted { counts, is_utf8: is_utf8 && cut == 0 }));
            }
            Ok(n) => cut + n,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        counter.add(&buffer[cut..end]);
        cut = 0;
        if is_utf8 && let Err(error) = str::from_utf8(&buffer[..end]) {
            if error.error_len().is_none() {
                buffer.copy_within(error.valid_up_to()..end, 0);
                cut = end - error.valid_up_to();
            } else {
                is_utf8 = false;
            }
        }
    }
    Ok(None)
}

/// Counts the chunks of a file. Words and lines may go from one chunk to the next.
struct Counter {
    rule: WordRule,
    counts: Counts,
    /// Whether the next byte of a word would be its first.
    between_words: bool,
}

impl Counter {
    fn new(rule: WordRule) -> Counter {
        Counter { rule, counts: Counts::default(), between_words: true }
    }

    fn add(&mut self, chunk: &[u8]) {
        self.counts.bytes += chunk.len() as u64;
        match self.rule {
            WordRule::Runs => self.add_runs(chunk),
            WordRule::Printable => self.add_printable(chunk),
        }
    }

    /// Every word has one first byte: one that is not white space, after one that is.
    ///
    /// The sums of a block fit a byte, and there is no branch: so the compiler makes vector instructions of it.
    fn add_runs(&mut self, chunk: &[u8]) {
        const BLOCK: usize = 128;
        const _: () = assert!(BLOCK <= u8::MAX as usize);

        let mut between_words = self.between_words;
        for block in chunk.chunks(BLOCK) {
            let (mut lines, mut words) = (0_u8, 0_u8);
            for &byte in block {
                let space = is_space(byte);
                lines += u8::from(byte == b'\n');
                words += u8::from(between_words & !space);
                between_words = space;
            }
            self.counts.lines += u64::from(lines);
            self.counts.words += u64::from(words);
        }
        self.between_words = between_words;
    }

    /// Every word has one first printable byte. Those that are neither printable nor space begin no word, and end none.
    fn add_printable(&mut self, chunk: &[u8]) {
        for &byte in chunk {
            self.counts.lines += u64::from(byte == b'\n');
            if is_space(byte) {
                self.between_words = true;
            } else if byte.is_ascii_graphic() {
                self.counts.words += u64::from(self.between_words);
                self.between_words = false;
            }
        }
    }

    fn finish(self) -> Counts {
        Counts { files: 1, ..self.counts }
    }
}

/// White space as `isspace` has it in the C locale. (`u8::is_ascii_whitespace` lacks `\v`.)
fn is_space(byte: u8) -> bool {
    byte == b' ' || matches!(byte, b'\t'..=b'\r')
}

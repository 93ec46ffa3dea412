//! Exports as files: a writer and a reader over `std::io`.

use std::{
    boxed::Box,
    io::{self, BufRead, Read, Write},
    vec::Vec,
};

use thiserror::Error;

use crate::policy::{ExportedJob, Line, encode_export_end, encode_export_header};
use beanstalk_proto::JobId;

/// Why an export cannot be read on.
///
/// One that is not complete can be gone on with:
///
/// ```
/// use beanstalk_driver::{ExportError, ExportReader, ExportWriter, policy::ScanOptions};
/// use beanstalk_driver::proto::JobId;
///
/// # let mut file = Vec::new();
/// # ExportWriter::new(&mut file)?;
/// // What wrote `file`, which is a `Vec<u8>` here, was ended before `ExportWriter::finish`.
/// match ExportReader::new(&file[..]).find_map(Result::err) {
///     Some(ExportError::Incomplete { jobs, offset, last }) => {
///         file.truncate(offset.try_into()?);
///         let writer = ExportWriter::resume(&mut file, jobs);
///         let rest = ScanOptions::new().from(JobId(last.map_or(1, |last| last.0 + 1)));
///         // Write the jobs of a scan with these options, and finish.
/// #       let _ = rest;
/// #       writer.finish()?;
///     }
///     Some(error) => return Err(error.into()),
///     None => println!("it is complete"),
/// }
/// # assert!(ExportReader::new(&file[..]).next().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// Reading failed.
    #[error("the export cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is not an export of a version that is known here, or was damaged.
    #[error("the export is malformed at byte {offset}: {problem}")]
    Format {
        /// Where the line, or the end of the body, stands.
        offset: u64,
        /// What is wrong.
        problem: Box<str>,
    },
    /// It ends before its last line. To go on with it, cut it off at `offset`, and scan from the id after `last`.
    #[error("the export is not complete: it ends after {jobs} jobs, at byte {offset}")]
    Incomplete {
        /// How many whole jobs there are.
        jobs: u64,
        /// Where the last whole job ends.
        offset: u64,
        /// Its id.
        last: Option<JobId>,
    },
}

/// Writes an export: [`ExportWriter::write`] each job that a scan gives, and [`ExportWriter::finish`].
///
/// ```
/// use beanstalk_driver::{ExportReader, ExportWriter};
///
/// # fn example(jobs: Vec<beanstalk_driver::policy::ExportedJob>) -> Result<(), Box<dyn std::error::Error>> {
/// let mut writer = ExportWriter::new(Vec::new())?;
/// for job in &jobs {
///     writer.write(job)?;
/// }
/// let file = writer.finish()?;
/// let read: Result<Vec<_>, _> = ExportReader::new(&file[..]).collect();
/// assert_eq!(read?, jobs);
/// # Ok(())
/// # }
/// # example(vec![]).unwrap();
/// ```
#[derive(Debug)]
pub struct ExportWriter<W> {
    writer: W,
    buffer: Vec<u8>,
    jobs: u64,
}

impl<W: Write> ExportWriter<W> {
    /// Begins an export.
    ///
    /// # Errors
    ///
    /// What writing fails with.
    pub fn new(mut writer: W) -> io::Result<Self> {
        let mut buffer = Vec::new();
        encode_export_header(&mut buffer);
        writer.write_all(&buffer)?;
        Ok(Self { writer, buffer, jobs: 0 })
    }

    /// Goes on with one that has so many whole jobs, as [`ExportError::Incomplete`] reports; the writer begins where the last of them ends.
    pub const fn resume(writer: W, jobs: u64) -> Self {
        Self { writer, buffer: Vec::new(), jobs }
    }

    /// Writes a job.
    ///
    /// # Errors
    ///
    /// What writing fails with.
    pub fn write(&mut self, job: &ExportedJob) -> io::Result<()> {
        self.buffer.clear();
        job.encode(&mut self.buffer);
        self.writer.write_all(&self.buffer)?;
        self.jobs = self.jobs.saturating_add(1);
        Ok(())
    }

    /// Writes the last line, flushes, and gives the writer back.
    ///
    /// # Errors
    ///
    /// What writing fails with.
    pub fn finish(mut self) -> io::Result<W> {
        self.buffer.clear();
        encode_export_end(self.jobs, &mut self.buffer);
        self.writer.write_all(&self.buffer)?;
        self.writer.flush()?;
        Ok(self.writer)
    }
}

/// Reads the jobs of an export, or of several that follow one another. An error is the end.
///
/// That an export is not complete is an error, once all of its whole jobs were given.
///
/// ```
/// use beanstalk_driver::{ExportError, ExportReader};
///
/// # fn example(file: &[u8]) -> Result<(), ExportError> {
/// for job in ExportReader::new(file) {
///     match job {
///         Ok(job) => println!("job {} of {}: {} bytes", job.id, job.tube, job.body.len()),
///         Err(ExportError::Incomplete { jobs, .. }) => eprintln!("cut off after {jobs} jobs"),
///         Err(error) => return Err(error),
///     }
/// }
/// # Ok(())
/// # }
/// # let mut file = Vec::new();
/// # let _unfinished = beanstalk_driver::ExportWriter::new(&mut file).unwrap();
/// # assert!(matches!(ExportReader::new(&file[..]).next(), Some(Err(ExportError::Incomplete { jobs: 0, .. }))));
/// # example(&file).unwrap();
/// # assert!(example(b"no export\n").is_err());
/// ```
#[derive(Debug)]
pub struct ExportReader<R> {
    reader: R,
    /// How many bytes were read.
    offset: u64,
    /// Where the last whole job ends, and which it is.
    whole: u64,
    last: Option<JobId>,
    /// Jobs of this export; `None` before its first line.
    jobs: Option<u64>,
    begun: bool,
    ended: bool,
}

impl<R: BufRead> ExportReader<R> {
    /// Reads an export. The reader is read a line and a body at a time.
    pub const fn new(reader: R) -> Self {
        Self { reader, offset: 0, whole: 0, last: None, jobs: None, begun: false, ended: false }
    }

    /// Reads up to the next whole job; `None` at the end of all.
    fn read(&mut self) -> Result<Option<ExportedJob>, ExportError> {
        loop {
            let offset = self.offset;
            let mut line = Vec::new();
            let limit = u64::try_from(Line::MAX).unwrap_or(u64::MAX);
            let read = self.reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
            self.count(read);
            if read == 0 && self.jobs.is_none() && self.begun {
                return Ok(None);
            }
            if line.pop() != Some(b'\n') {
                return Err(if read < Line::MAX { self.incomplete() } else { format(offset, "a line does not end") });
            }
            let line = Line::parse(&line).map_err(|problem| ExportError::Format { offset, problem })?;
            match (line, self.jobs) {
                (Line::Header, None) => (self.jobs, self.begun) = (Some(0), true),
                (Line::End(jobs), Some(read)) if jobs == read => self.jobs = None,
                (Line::End(_), Some(_)) => {
                    return Err(format(offset, "the count in the last line is not the number of jobs"));
                }
                (Line::Job(mut job, length), Some(jobs)) => {
                    let length = u64::try_from(length).unwrap_or(u64::MAX);
                    let read = self.reader.by_ref().take(length).read_to_end(&mut job.body)?;
                    self.count(read);
                    let mut end = [0];
                    if u64::try_from(read).is_ok_and(|read| read < length) || self.reader.read(&mut end)? == 0 {
                        return Err(self.incomplete());
                    }
                    self.count(1);
                    if end != *b"\n" {
                        return Err(format(self.offset, "the body is not followed by a line feed"));
                    }
                    (self.whole, self.last, self.jobs) = (self.offset, Some(job.id), Some(jobs.saturating_add(1)));
                    return Ok(Some(job));
                }
                (Line::Header, Some(_)) => {
                    return Err(format(offset, "an export begins before the previous one has ended"));
                }
                (Line::Job(..) | Line::End(_), None) => {
                    return Err(format(offset, "the first line of an export is missing"));
                }
            }
            self.whole = self.offset;
        }
    }

    fn count(&mut self, read: usize) {
        self.offset = self.offset.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }

    fn incomplete(&self) -> ExportError {
        ExportError::Incomplete { jobs: self.jobs.unwrap_or_default(), offset: self.whole, last: self.last }
    }
}

fn format(offset: u64, problem: &str) -> ExportError {
    ExportError::Format { offset, problem: problem.into() }
}

impl<R: BufRead> Iterator for ExportReader<R> {
    type Item = Result<ExportedJob, ExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let job = self.read().transpose();
        self.ended = !matches!(job, Some(Ok(_)));
        job
    }
}

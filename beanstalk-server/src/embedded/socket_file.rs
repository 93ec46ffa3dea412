//! The file of a Unix socket: whose it is, and who may remove it.
//!
//! A path is taken over only where no process listens any more, and at the end it is removed only if the file at it is still
//! the one that was made. beanstalkd takes over any socket, and removes none.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use mio::net::UnixStream;

/// A socket's file that this process made, removed on drop.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Device and inode: what distinguishes two files at one path.
type Identity = (u64, u64);

impl SocketFile {
    /// Makes sure that nothing is at a path, or only a socket that was left there.
    pub(super) fn make_room(path: &Path) -> io::Result<()> {
        let metadata = match fs::symlink_metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if !metadata.file_type().is_socket() {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "another file is at the socket's path"));
        }
        // This does not wait: a server that has no room for one more connection is one that listens.
        match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Ok(_) => Err(taken()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Err(taken()),
            Err(error) => Err(error),
        }
    }

    /// The file of a socket that was bound just now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.identity) {
            // If it was removed just now, the file is gone as well.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<Identity> {
    fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn taken() -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, "a server listens at the socket's path")
}

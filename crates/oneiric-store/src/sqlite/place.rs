//! Where a file may lie: on a file system whose locks hold for every process that can reach it.
//!
//! WAL needs shared memory between all users of the file, and boots prove their life by a lock.
//! Neither crosses a network.

use std::path::Path;

use crate::error::StoreError;

/// The name of a file system that is reached over a network, by the `f_type` of statfs(2).
///
/// Not here although it could be: 9p, which is how gVisor shows a container its own disk; and FUSE,
/// which is local as often as not and is told apart by [`fuse_name`].
pub(super) fn fs_name(f_type: u32) -> Option<&'static str> {
    // From the kernel's magic.h and the sources of each file system.
    Some(match f_type {
        0x0000_6969 => "NFS",
        0x0000_517B => "SMB",
        0xFF53_4D42 => "CIFS",
        0xFE53_4D42 => "SMB2",
        0x5346_414F | 0x6B41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x0000_564C => "NCP",
        0x00C3_6400 => "Ceph",
        0x0BD0_0BD0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        0x2003_0528 => "OrangeFS",
        0xAAD7_AAEA => "PanFS",
        0x0116_1970 => "GFS2",
        0x7461_636F => "OCFS2",
        0xBACB_ACBC => "VMHGFS",
        0x786F_4256 => "a shared folder of VirtualBox",
        _ => return None,
    })
}

/// `f_type` of everything that FUSE serves.
const FUSE: u32 = 0x6573_5546;

/// The name of a FUSE file system that is reached over a network, by its type in mountinfo(5).
fn fuse_name(kind: &str) -> Option<&str> {
    const NETWORKED: [&str; 14] = [
        "fuse.sshfs",
        "fuse.rclone",
        "fuse.glusterfs",
        "fuse.ceph-fuse",
        "fuse.s3fs",
        "fuse.gcsfuse",
        "fuse.goofys",
        "fuse.mountpoint-s3",
        "fuse.juicefs",
        "fuse.moosefs",
        "fuse.davfs2",
        "fuse.curlftpfs",
        "fuse.smbnetfs",
        "fuse.blobfuse2",
    ];
    NETWORKED.contains(&kind).then(|| kind.trim_start_matches("fuse."))
}

/// The type of the file system that `folder` (absolute, without links) lies on: the mount whose
/// point is its longest prefix, the later of two on one point.
fn mount_type<'a>(mountinfo: &'a str, folder: &Path) -> Option<&'a str> {
    mountinfo
        .lines()
        .filter_map(|line| {
            let point = line.split(' ').nth(4)?;
            let kind = line.split(" - ").nth(1)?.split(' ').next()?;
            let point = point.replace("\\040", " ");
            folder.starts_with(&point).then_some((point.len(), kind))
        })
        .max_by_key(|(length, _)| *length)
        .map(|(_, kind)| kind)
}

/// Refuses a place that cannot hold a store; touches nothing.
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let place = || path.display().to_string();
    let open = |reason: &str| Err(StoreError::Open { place: place(), reason: reason.to_owned() });
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return open("it is a folder; name a file in it");
    }
    if folder.is_file() {
        return open("what should be its folder is a file; name another place");
    }
    if !folder.is_dir() {
        return open("its folder does not exist; create it first");
    }
    match network(folder) {
        None => Ok(()),
        Some(name) => Err(StoreError::Shared {
            place: place(),
            reason: format!(
                "it lies on {name}, where file locks cannot be trusted; put it on a local disk, or use Postgres \
                 to share work between hosts"
            ),
        }),
    }
}

/// The network file system that a folder lies on, by its name; `None` for a local one, and where it cannot be said.
#[cfg(target_os = "linux")]
pub fn network(folder: &Path) -> Option<String> {
    // What cannot be asked is not refused: the open that follows says more.
    // The field is wider than its values, which some systems extend with their sign.
    let f_type = nix::sys::statfs::statfs(folder).ok()?.filesystem_type().0 as u32;
    if f_type == FUSE {
        let folder = folder.canonicalize().ok()?;
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
        return mount_type(&mountinfo, &folder).and_then(fuse_name).map(str::to_owned);
    }
    fs_name(f_type).map(str::to_owned)
}

/// The network file system that a folder lies on, by its name; `None` for a local one, and where it cannot be said.
#[cfg(not(target_os = "linux"))]
pub fn network(_folder: &Path) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_behind_a_network_has_a_name() {
        let check = |f_type: u32, expected: Option<&str>| {
            assert_eq!(fs_name(f_type), expected, "{f_type:#x}");
        };
        check(0x6969, Some("NFS"));
        check(0xFF53_4D42, Some("CIFS"));
        check(0x00C3_6400, Some("Ceph"));
        check(0xEF53, None); // ext4
        check(0x9123_683E, None); // btrfs
        check(0x0102_1994, None); // tmpfs
        check(0x794C_7630, None); // overlayfs
        check(0x5846_5342, None); // xfs
    }

    #[test]
    fn fuse_is_told_apart_by_its_mount() {
        let info = "\
21 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 21 0:40 / /mnt/far rw,nosuid shared:1 - fuse.sshfs me@host:/x rw
31 21 0:41 / /mnt/far\\040away rw - fuse.rclone remote rw
32 21 0:42 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
";
        let check = |folder: &str, expected: Option<&str>| {
            assert_eq!(mount_type(info, Path::new(folder)).and_then(fuse_name), expected, "{folder}");
        };
        check("/mnt/far/state", Some("sshfs"));
        check("/mnt/far away/state", Some("rclone"));
        check("/mnt/farther", None);
        check("/mnt/ntfs/a", None);
        check("/home/me", None);
    }
}

//! How large the files of a data directory are.

use std::{collections::BTreeMap, fs, path::Path};

/// The bytes of each database, its write-ahead log and index included. The read models go by the name of
/// their projection, so that a rebuild shows as a bump in one line. What cannot be looked at is left out.
pub(crate) fn sizes(data_dir: &Path) -> Vec<(String, u64)> {
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for dir in [data_dir, &app::read_models_dir(data_dir)] {
        let Ok(entries) = fs::read_dir(dir) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((database, _)) = name.split_once(".db").filter(|it| !it.0.is_empty()) else {
                continue;
            };
            let database = database.split('.').next().unwrap_or(database);
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            *sizes.entry(database.to_owned()).or_default() += bytes;
        }
    }
    sizes.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_one_database_are_added_up() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("read")).unwrap();
        for (name, bytes) in [
            ("log.db", 10),
            ("log.db-wal", 5),
            ("signing.keys", 7),
            ("read/store.v3.g1.db", 2),
            ("read/store.v3.g2.db", 3),
            ("read/store.v3.g2.db-shm", 1),
        ] {
            fs::write(dir.path().join(name), vec![0; bytes]).unwrap();
        }
        assert_eq!(sizes(dir.path()), [("log".to_owned(), 15), ("store".to_owned(), 6)]);
        assert_eq!(sizes(&dir.path().join("nowhere")), []);
    }
}

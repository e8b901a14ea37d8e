//! A cache of values of one kind, by name.

use super::reads::ReadTable;
use super::{Answers, Question, Read};
use crate::hash::{FastMap, Fingerprint};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Borrow;
use std::hash::Hash;

/// A cached value and what it depends on.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<V> {
    key: Fingerprint,
    /// Indices into the table of reads.
    reads: Vec<u32>,
    value: V,
}

/// Cached values by name, with what they depend on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound(
    serialize = "N: Serialize + Ord, Q: Serialize, V: Serialize",
    deserialize = "N: Deserialize<'de>, Q: Deserialize<'de>, V: Deserialize<'de>"
))]
pub(crate) struct Cache<N: Eq + Hash, Q: Eq + Hash, V> {
    #[serde(serialize_with = "in_order")]
    entries: FastMap<N, Entry<V>>,
    reads: ReadTable<Q>,
    /// Whether the cache differs from its stored form.
    #[serde(skip)]
    is_changed: bool,
}

impl<N: Eq + Hash, Q: Eq + Hash, V> Default for Cache<N, Q, V> {
    fn default() -> Cache<N, Q, V> {
        Cache { entries: FastMap::default(), reads: ReadTable::default(), is_changed: false }
    }
}

impl<N: Eq + Hash, Q: Question, V> Cache<N, Q, V> {
    /// Answers each question once. `answer` returns `None` for a question that has another answer
    /// each time, and `Some(None)` for "not found".
    pub(crate) fn answers(&self, answer: impl FnMut(&Q) -> Option<Option<Fingerprint>>) -> Answers {
        self.reads.answers(answer)
    }

    /// The value cached under a name; `None` if its key or the answer to one of its reads has
    /// changed.
    pub(crate) fn find<B: Eq + Hash + ?Sized>(
        &self,
        name: &B,
        key: Fingerprint,
        answers: &Answers,
    ) -> Option<&V>
    where
        N: Borrow<B>,
    {
        let entry = self.entries.get(name)?;
        (entry.key == key && answers.hold(&entry.reads)).then_some(&entry.value)
    }

    /// Caches a value, in place of any earlier one.
    pub(crate) fn insert(
        &mut self,
        name: N,
        key: Fingerprint,
        reads: impl IntoIterator<Item = Read<Q>>,
        value: V,
    ) {
        self.is_changed = true;
        let reads = self.reads.numbers(reads);
        self.entries.insert(name, Entry { key, reads, value });
    }

    /// Replaces a value, but not its key and its reads.
    pub(crate) fn replace_value(&mut self, name: &N, value: V) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.value = value;
        }
    }

    /// Removes the values whose names are not wanted.
    pub(crate) fn retain(&mut self, mut wanted: impl FnMut(&N) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|name, _| wanted(name));
        self.is_changed |= self.entries.len() != before;
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn has<B: Eq + Hash + ?Sized>(&self, name: &B) -> bool
    where
        N: Borrow<B>,
    {
        self.entries.contains_key(name)
    }

    /// The external inputs that were read to make a value.
    pub(crate) fn reads_of<B: Eq + Hash + ?Sized>(&self, name: &B) -> impl Iterator<Item = &Read<Q>>
    where
        N: Borrow<B>,
    {
        self.entries.get(name).into_iter().flat_map(|entry| self.reads.of(&entry.reads))
    }

    /// Returns a function from names to the sorted fingerprints of the values' reads. It gives
    /// `None` for a value with a read whose answer is different each time.
    pub(crate) fn fingerprints_of_reads(&self) -> impl Fn(&N) -> Option<Vec<Fingerprint>> {
        let all = self.reads.fingerprints();
        move |name| {
            let Some(entry) = self.entries.get(name) else { return Some(Vec::new()) };
            let one = |r: &u32| all.get(*r as usize).copied().flatten();
            let mut prints: Vec<Fingerprint> =
                entry.reads.iter().map(one).collect::<Option<_>>()?;
            prints.sort_unstable();
            Some(prints)
        }
    }

    /// A cache of values made from these, one after the other in the order of their names.
    pub(crate) fn map_values<W>(&self, mut change: impl FnMut(&V) -> W) -> Cache<N, Q, W>
    where
        N: Clone + Ord,
    {
        let mut all: Vec<(&N, &Entry<V>)> = self.entries.iter().collect();
        all.sort_by_key(|(name, _)| *name);
        let mut entries = FastMap::with_capacity_and_hasher(all.len(), Default::default());
        for (name, Entry { key, reads, value }) in all {
            let entry = Entry { key: *key, reads: reads.clone(), value: change(value) };
            entries.insert(name.clone(), entry);
        }
        Cache { entries, reads: self.reads.clone(), is_changed: self.is_changed }
    }

    /// Whether the cache differs from its stored form.
    pub(crate) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Prepares the cache for storing: drops reads that no value uses, and marks the cache as
    /// unchanged.
    pub(crate) fn settle(&mut self) {
        self.is_changed = false;
        self.reads.compact(self.entries.values_mut().map(|entry| &mut entry.reads));
    }
}

/// Serializes entries in the order of their names, so that equal caches give equal bytes.
fn in_order<N, V, S>(entries: &FastMap<N, Entry<V>>, serializer: S) -> Result<S::Ok, S::Error>
where
    N: Serialize + Ord + Eq + Hash,
    V: Serialize,
    S: Serializer,
{
    let mut all: Vec<(&N, &Entry<V>)> = entries.iter().collect();
    all.sort_by_key(|(name, _)| *name);
    serializer.collect_map(all)
}

#[cfg(test)]
mod tests {
    use super::super::KeyWriter;
    use super::*;

    /// A question about the weather, or about the time.
    #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
    enum Asked {
        Weather,
        Time,
    }

    impl Question for Asked {
        fn write(&self, key: KeyWriter) -> Option<KeyWriter> {
            (*self == Asked::Weather).then(|| key.text("weather"))
        }
    }

    fn weather(text: &str) -> Read<Asked> {
        Read { question: Asked::Weather, answer: Some(Fingerprint::of(text)) }
    }

    /// Answers questions about the weather with `told`. The time is different each time.
    fn answers(cache: &Cache<String, Asked, u8>, told: &str) -> Answers {
        cache.answers(|question| match question {
            Asked::Weather => Some(Some(Fingerprint::of(told))),
            Asked::Time => None,
        })
    }

    #[test]
    fn a_value_is_used_while_key_and_answers_are_the_same() {
        let mut cache = Cache::default();
        let key = Fingerprint::of("text");
        let time = Read { question: Asked::Time, answer: None };
        cache.insert("walk".to_owned(), key, [weather("dry")], 1_u8);
        cache.insert("watch".to_owned(), key, [weather("dry"), time], 2);
        cache.insert("sleep".to_owned(), key, [], 3);
        let dry = answers(&cache, "dry");
        assert_eq!(cache.find("walk", key, &dry), Some(&1));
        assert_eq!(cache.find("walk", Fingerprint::of("other"), &dry), None);
        assert_eq!(cache.find("watch", key, &dry), None, "the time is another one");
        let wet = answers(&cache, "wet");
        assert_eq!(cache.find("walk", key, &wet), None);
        assert_eq!(cache.find("sleep", key, &wet), Some(&3), "it asks nothing");
        let prints = cache.fingerprints_of_reads();
        assert_eq!(prints(&"walk".to_owned()).unwrap().len(), 1);
        assert_eq!(prints(&"watch".to_owned()), None);
        assert_eq!(prints(&"sleep".to_owned()), Some(Vec::new()));
    }

    #[test]
    fn what_is_stored_holds_the_same() {
        let mut cache = Cache::default();
        let key = Fingerprint::of("text");
        for (name, told) in [("a", "dry"), ("b", "wet"), ("c", "dry")] {
            cache.insert(name.to_owned(), key, [weather(told)], 1_u8);
        }
        cache.retain(|name| name != "b");
        assert!(cache.is_changed());
        cache.settle();
        assert!(!cache.is_changed());
        let bytes = rmp_serde::to_vec(&cache).unwrap();
        let mut again: Cache<String, Asked, u8> = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(again.len(), 2);
        let dry = answers(&again, "dry");
        assert_eq!(again.find("a", key, &dry), Some(&1));
        assert_eq!(again.reads_of("c").count(), 1);
        again.insert("b".to_owned(), key, [weather("wet"), weather("dry")], 2);
        assert_eq!(again.find("b", key, &answers(&again, "dry")), None);
        assert_eq!(again.find("c", key, &answers(&again, "dry")), Some(&1));
        assert!(!again.has("d") && again.has("b"));
    }

    #[test]
    fn a_cache_is_changed_while_something_in_it_is_not_stored() {
        let mut cache: Cache<String, Asked, u8> = Cache::default();
        assert!(!cache.is_changed() && cache.len() == 0);
        cache.insert("a".to_owned(), Fingerprint::of("a"), [], 1);
        cache.insert("b".to_owned(), Fingerprint::of("b"), [], 2);
        cache.retain(|_| true);
        assert!(cache.is_changed(), "nothing is stored yet");
        cache.settle();
        cache.retain(|_| true);
        assert!(!cache.is_changed(), "nothing is forgotten");
        cache.retain(|name| name == "a");
        assert!(cache.is_changed() && cache.len() == 1);
        assert!(cache.has("a") && !cache.has("b"));
    }

    #[test]
    fn a_value_in_another_form_is_made_of_the_same() {
        let mut cache = Cache::default();
        let (a, key) = ("a".to_owned(), Fingerprint::of("text"));
        cache.insert(a.clone(), key, [weather("dry")], 1_u8);
        cache.settle();
        cache.replace_value(&a, 2);
        cache.replace_value(&"b".to_owned(), 3);
        assert_eq!(cache.find("a", key, &answers(&cache, "dry")), Some(&2));
        assert_eq!(cache.find("a", key, &answers(&cache, "wet")), None);
        assert!(!cache.is_changed() && !cache.has("b"));
        cache.insert(a, key, [weather("wet")], 4);
        assert_eq!(cache.len(), 1, "the one before it is gone");
        assert_eq!(cache.find("a", key, &answers(&cache, "wet")), Some(&4));
    }

    #[test]
    fn what_a_value_asked_is_told_without_regard_to_its_order() {
        let (wet, dry) = (weather("wet"), weather("dry"));
        let mut cache = Cache::default();
        let key = Fingerprint::of("text");
        cache.insert("a".to_owned(), key, [wet.clone(), dry.clone()], 1_u8);
        cache.insert("b".to_owned(), key, [dry.clone(), wet.clone()], 2);
        cache.insert("c".to_owned(), key, [dry.clone()], 3);
        let reads = |name: &str| cache.reads_of(name).cloned().collect::<Vec<_>>();
        assert_eq!(reads("c"), std::slice::from_ref(&dry));
        assert_eq!(reads("a"), [wet, dry.clone()]);
        assert!(reads("d").is_empty());
        let prints = cache.fingerprints_of_reads();
        let of = |name: &str| prints(&name.to_owned());
        assert_eq!(of("a"), of("b"));
        assert_eq!(of("c"), Some(vec![dry.fingerprint().unwrap()]));
        assert_eq!(of("d"), Some(Vec::new()), "there is no such value");
    }

    #[test]
    fn equal_caches_give_equal_bytes() {
        let filled = |names: [&str; 3]| {
            let mut cache: Cache<String, Asked, u8> = Cache::default();
            for name in names {
                cache.insert(name.to_owned(), Fingerprint::of(name), [weather("dry")], 1);
            }
            rmp_serde::to_vec(&cache).unwrap()
        };
        assert_eq!(filled(["a", "b", "c"]), filled(["c", "a", "b"]));
        assert_ne!(filled(["a", "b", "c"]), filled(["a", "b", "d"]));
    }

    #[test]
    fn a_damaged_file_holds_nothing() {
        let mut cache: Cache<String, Asked, u8> = Cache::default();
        cache.insert("a".to_owned(), Fingerprint::of(""), [weather("dry")], 1);
        cache.reads = ReadTable::default();
        assert_eq!(cache.find("a", Fingerprint::of(""), &answers(&cache, "dry")), None);
        cache.settle();
        assert_eq!(cache.find("a", Fingerprint::of(""), &answers(&cache, "dry")), None);
    }
}

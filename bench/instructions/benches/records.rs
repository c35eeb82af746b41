//! Measures what a request does with a record: decoding, finding the handler's change, merging it, encoding.

use std::collections::HashMap;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use shared_session::Format;
use shared_session::codec::{Codec, Fields};
use shared_session::internals::Change;

const SIZES: [usize; 3] = [2, 100, 10_000];
const FORMATS: [(&str, Format); 3] = [
    ("json", Format::Json),
    ("php", Format::Php),
    ("php_serialize", Format::PhpSerialize),
];

fn record(codec: &dyn Codec, size: usize) -> Bytes {
    let mut fields = Fields::new();
    for number in 0..size {
        fields.set(&format!("field{number}"), r#""a value of a usual length""#);
    }
    codec.encode(&fields).expect("the fields can be encoded")
}

fn decode(codec: &dyn Codec, record: &Bytes) -> Fields {
    codec.decode(record.clone()).expect("the record is valid")
}

/// Returns the entries that a handler left behind which set one field.
fn entries(fields: &Fields) -> HashMap<String, String> {
    let visible = fields.visible().into_iter();
    let mut entries: HashMap<_, _> = visible
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    entries.insert("field1".to_owned(), "2".to_owned());
    entries
}

fn records(criterion: &mut Criterion) {
    for (name, format) in FORMATS {
        let codec = format.codec();
        let mut group = criterion.benchmark_group(name);
        for size in SIZES {
            let record = record(&*codec, size);
            let fields = decode(&*codec, &record);
            let after = entries(&fields);
            let change = Change::between(&fields, &after);
            group.bench_with_input(BenchmarkId::new("decode", size), &record, |bencher, record| {
                bencher.iter(|| decode(&*codec, black_box(record)));
            });
            group.bench_with_input(BenchmarkId::new("difference", size), &after, |bencher, after| {
                bencher.iter(|| Change::between(&fields, black_box(after)));
            });
            group.bench_with_input(
                BenchmarkId::new("merge and encode", size),
                &change,
                |bencher, change| {
                    let merge = |mut fields: Fields| {
                        fields.apply(black_box(change));
                        codec.encode(&fields)
                    };
                    bencher.iter_batched(|| fields.clone(), merge, BatchSize::LargeInput);
                },
            );
        }
        group.finish();
    }
}

criterion_group!(benches, records);
criterion_main!(benches);

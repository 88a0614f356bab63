//! Every property holds for every seed: what the fuzzer begins with is sound, also where nobody runs it.

use hooklog_fuzz::TARGETS;

#[test]
fn every_property_holds_for_its_seeds() {
    for target in TARGETS {
        let seeds = (target.seeds)();
        assert!(seeds.len() >= 4, "{} has {} seeds", target.name, seeds.len());
        seeds.iter().for_each(|seed| (target.check)(seed));
        // The same cut short, and with a byte changed: the least that a fuzzer does.
        for seed in seeds.iter().filter(|seed| !seed.is_empty()).take(200) {
            (target.check)(&seed[..seed.len() / 2]);
            let mut changed = seed.clone();
            changed[seed.len() / 3] ^= 0x20;
            (target.check)(&changed);
        }
    }
}

#[test]
fn dictionaries_are_written_as_the_fuzzer_reads_them() {
    for target in TARGETS {
        let dictionary = target.dictionary();
        assert_eq!(dictionary.lines().count(), target.words.len());
        assert!(
            dictionary
                .lines()
                .all(|line| line.starts_with('"') && line.ends_with('"') && !line[1..line.len() - 1].contains('"'))
        );
    }
}

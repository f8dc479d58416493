/*!
The draw of negatives from the pool of survivors, as a keyed race.

Every survivor gets `u = hash(seed, query key, passage id)` in (0, 1) and arrives at time `-ln(u) / w`, which is
exponentially distributed with rate `w`. The first `n` to arrive win. This draws without replacement: each next winner is
chosen with probability proportional to its weight (Efraimidis and Spirakis 2006). No random generator passes state from
query to query, so the outcome does not depend on the order of rows, on threads, batches or shards. Times are compared as
logarithms, so no score overflows.
*/

use crate::hash::mix;
use crate::policy::{Policy, Sampling};
use crate::rule::candidate::Candidate;
use crate::rule::race::{FEW, ln, log_times, winners};

/// Returns a number in (0, 1) that depends only on the seed, the query's key and the passage's id.
#[must_use]
pub(crate) fn uniform(seed: u64, key: u64, passage: i64) -> f64 {
    uniform_for(query_hash(seed, key), passage)
}

/// The increment of `SplitMix64`, which keeps zeros from hashing to zero.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Returns the part of the hash that all passages of a query share.
fn query_hash(seed: u64, key: u64) -> u64 {
    mix(mix(seed.wrapping_add(STEP)) ^ key.wrapping_add(STEP))
}

fn uniform_for(query_hash: u64, passage: i64) -> f64 {
    let bits = mix(query_hash ^ (passage as u64).wrapping_add(STEP));
    // 52 random bits plus half a step, which is exact in f64 and never 0 or 1.
    ((bits >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
}

/// Draws negatives for one query after the other. Its memory is reused from query to query.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    arrivals: Vec<f64>,
    bin_sizes: Vec<usize>,
    picks: Vec<usize>,
}

impl Sampler {
    /// Picks at most `policy.n` survivors of `pool`, which is sorted best first. Returns their places in ascending order.
    pub(crate) fn pick(&mut self, policy: &Policy, anchor: f64, key: u64, pool: &[Candidate]) -> &[usize] {
        let wanted = policy.n.min(pool.len());
        let certain = if policy.sampling == Sampling::Top { wanted } else { policy.first.min(wanted) };
        let (racers, places) = (&pool[certain..], wanted - certain);
        self.picks.clear();
        if places == 0 || places == racers.len() {
            self.picks.extend(0..wanted);
            return &self.picks;
        }
        self.picks.extend(0..certain);
        self.run(policy, anchor, key, racers);
        if racers.len() <= FEW
            && let Some(mut winners) = winners(&self.arrivals, places)
        {
            while winners > 0 {
                self.picks.push(certain + winners.trailing_zeros() as usize);
                winners &= winners - 1;
            }
            return &self.picks;
        }
        let mut order: Vec<usize> = (0..racers.len()).collect();
        let arrivals = &self.arrivals;
        order.select_nth_unstable_by(places - 1, |&a, &b| arrivals[a].total_cmp(&arrivals[b]).then(a.cmp(&b)));
        self.picks.extend(order[..places].iter().map(|&racer| certain + racer));
        self.picks.sort_unstable();
        &self.picks
    }

    /// Computes for every racer the logarithm of its time of arrival, `ln(-ln u) - ln w`, or numbers in the same order.
    fn run(&mut self, policy: &Policy, anchor: f64, key: u64, racers: &[Candidate]) {
        let query_hash = query_hash(policy.seed, key);
        self.arrivals.clear();
        self.arrivals.extend(racers.iter().map(|racer| uniform_for(query_hash, racer.id)));
        if policy.sampling == Sampling::Uniform {
            // With equal weights, the largest u arrives first.
            for arrival in &mut self.arrivals {
                *arrival = -*arrival;
            }
            return;
        }
        log_times(&mut self.arrivals);
        match policy.sampling {
            Sampling::Top | Sampling::Uniform => {}
            Sampling::Softmax { temperature } => {
                // Scores relative to the best one: a common factor of all weights has no effect, and this one cannot overflow.
                let best = racers[0].score;
                for (arrival, racer) in self.arrivals.iter_mut().zip(racers) {
                    *arrival += (best - racer.score) / temperature;
                }
            }
            Sampling::Simans { a, b } => {
                for (arrival, racer) in self.arrivals.iter_mut().zip(racers) {
                    let distance = racer.score - anchor - b;
                    *arrival += a * (distance * distance);
                }
            }
            Sampling::Bins { bins } => {
                self.bin_sizes.clear();
                self.bin_sizes.resize(bins, 0);
                for racer in racers {
                    self.bin_sizes[bin(racer.score, racers, bins)] += 1;
                }
                for (arrival, racer) in self.arrivals.iter_mut().zip(racers) {
                    *arrival += ln(self.bin_sizes[bin(racer.score, racers, bins)] as f64);
                }
            }
        }
    }
}

/// Returns the bin of a score among `bins` bins of equal width between the best and the worst racer.
///
/// A margin is a constant minus the score, so bins of scores are bins of margins.
fn bin(score: f64, racers: &[Candidate], bins: usize) -> usize {
    let (best, worst) = (racers[0].score, racers[racers.len() - 1].score);
    // Differences of halves cannot overflow.
    let place = (0.5 * best - 0.5 * score) / (0.5 * best - 0.5 * worst);
    // If all scores are equal, this is 0 / 0, which the cast turns into bin 0.
    ((place * bins as f64) as usize).min(bins - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Method;

    fn policy(sampling: Sampling, n: usize, first: usize, seed: u64) -> Policy {
        Policy { method: Method::Naive, pool: Some(10), n, sampling, first, seed, ..crate::policy::tests::POLICY }
    }

    fn pool(scores: &[f64]) -> Vec<Candidate> {
        scores.iter().enumerate().map(|(id, &score)| Candidate { score, id: id as i64 }).collect()
    }

    /// Returns the share of draws of one negative that each racer wins.
    fn shares(sampling: Sampling, anchor: f64, scores: &[f64]) -> Vec<f64> {
        const DRAWS: u64 = 40_000;
        let (mut sampler, pool, mut hits) = (Sampler::default(), pool(scores), vec![0.0; scores.len()]);
        for key in 0..DRAWS {
            let picks = sampler.pick(&policy(sampling, 1, 0, 7), anchor, key, &pool);
            assert_eq!(picks.len(), 1);
            hits[picks[0]] += 1.0 / DRAWS as f64;
        }
        hits
    }

    fn assert_close(shares: &[f64], weights: &[f64]) {
        let sum: f64 = weights.iter().sum();
        for (share, weight) in shares.iter().zip(weights) {
            // Five standard deviations of a share in 40,000 draws are at most 0.0125.
            assert!((share - weight / sum).abs() < 0.0125, "{shares:?} {weights:?}");
        }
    }

    #[test]
    fn racers_win_in_proportion_to_their_weights() {
        let scores = [0.9, 0.8, 0.5, 0.45, 0.0];
        assert_close(&shares(Sampling::Uniform, 1.0, &scores), &[1.0; 5]);
        let softmax: Vec<f64> = scores.iter().map(|s| f64::exp(s / 0.3)).collect();
        assert_close(&shares(Sampling::Softmax { temperature: 0.3 }, 1.0, &scores), &softmax);
        let simans: Vec<f64> = scores.iter().map(|s| f64::exp(-3.0 * (s - 1.0 + 0.4_f64).powi(2))).collect();
        assert_close(&shares(Sampling::Simans { a: 3.0, b: -0.4 }, 1.0, &scores), &simans);
        // Bins of width 0.3: {0.9, 0.8}, {0.5, 0.45}, {0.0}.
        let bins = [0.5, 0.5, 0.5, 0.5, 1.0];
        assert_close(&shares(Sampling::Bins { bins: 3 }, 1.0, &scores), &bins);
    }

    #[test]
    fn huge_scores_and_tiny_temperatures_do_not_overflow() {
        let pool = pool(&[1e308, 1e307, -1e308]);
        let mut sampler = Sampler::default();
        for sampling in [
            Sampling::Softmax { temperature: 1e-300 },
            Sampling::Simans { a: 1e300, b: 0.0 },
            Sampling::Bins { bins: 10 },
        ] {
            assert_eq!(sampler.pick(&policy(sampling, 2, 0, 1), 0.0, 3, &pool).len(), 2);
        }
        let sharp = policy(Sampling::Softmax { temperature: 1e-300 }, 1, 0, 1);
        assert_eq!(sampler.pick(&sharp, 0.0, 3, &pool), [0]);
    }

    #[test]
    fn equal_scores_are_in_the_first_bin() {
        assert_eq!(bin(0.5, &pool(&[0.5, 0.5]), 10), 0);
        assert_eq!(bin(0.0, &pool(&[1.0, 0.0]), 10), 9);
    }

    #[test]
    fn the_first_negatives_are_the_best_survivors() {
        let pool = pool(&[0.9, 0.8, 0.7, 0.6]);
        let mut sampler = Sampler::default();
        for key in 0..50 {
            let picks = sampler.pick(&policy(Sampling::Uniform, 2, 1, 0), 1.0, key, &pool).to_vec();
            assert!(picks[0] == 0 && picks.len() == 2 && picks[1] > 0);
        }
    }
}

//! Random numbers that are the same everywhere.

/// A stream of random bits: splitmix64, from a seed, a name and a number.
pub struct Stream {
    state: u64,
}

impl Stream {
    /// The stream of row `row` of the tensor `name`.
    pub fn new(seed: u64, name: &str, row: u64) -> Self {
        let mut stream = Self { state: seed };
        for byte in name.bytes() {
            stream.state = stream.next() ^ u64::from(byte);
        }
        stream.state = stream.next() ^ row;
        stream.next();
        stream
    }

    /// 64 random bits.
    #[inline]
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Nearly normal numbers: sums of four uniform ones, so none is beyond 3.5 deviations.
    pub fn normals(&mut self, mean: f32, std: f32, values: &mut [f32]) {
        // A uniform 16-bit integer has a variance of (65536^2 - 1) / 12; four of them a mean of 131070.
        let scale = std / (65_536.0 * 65_536.0 / 3.0f32).sqrt();
        for value in values {
            let bits = self.next();
            let lanes = [bits & 0xFFFF, (bits >> 16) & 0xFFFF, (bits >> 32) & 0xFFFF, bits >> 48];
            let sum = lanes.iter().sum::<u64>() as i32 - 131_070;
            *value = mean + sum as f32 * scale;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normals_have_their_moments() {
        let mut values = vec![0.0; 1 << 20];
        Stream::new(7, "a", 3).normals(0.0, 0.5, &mut values);
        let mean = |power: i32| values.iter().map(|v| f64::from(*v).powi(power)).sum::<f64>() / values.len() as f64;
        assert!(mean(1).abs() < 0.002 && mean(3).abs() < 0.002, "{} {}", mean(1), mean(3));
        assert!((mean(2) - 0.25).abs() < 0.002, "{}", mean(2));
        // Four uniform numbers have a kurtosis of 3 - 6/5/4 = 2.7.
        assert!((mean(4) / mean(2).powi(2) - 2.7).abs() < 0.02, "{}", mean(4));
        assert!(values.iter().all(|v| v.abs() < 0.5 * 3.5));
    }

    #[test]
    fn streams_differ_by_seed_name_and_row() {
        let first = |seed, name, row| Stream::new(seed, name, row).next();
        let all = [first(1, "a", 0), first(2, "a", 0), first(1, "b", 0), first(1, "a", 1), first(1, "ab", 0)];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one), "{i}");
        }
        assert_eq!(all[0], first(1, "a", 0));
    }
}

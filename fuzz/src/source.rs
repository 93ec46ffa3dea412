//! Turns the fuzzer's bytes into decisions and values.
//!
//! Every decision takes a fixed, small number of bytes from the front, so that a mutation of the input is a small change of what
//! happens, and seeds can be written by hand. An input that has run out goes on as zeros; [`Source::is_empty`] reports it, and
//! every loop asks.

/// The bytes that are left of an input.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    rest: &'a [u8],
}

impl<'a> Source<'a> {
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub fn u8(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        first
    }

    pub fn bool(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// A number below `n`, which is at most 256.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.u8()) % n
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A number: small as a rule, now and then one at a boundary, or any.
    pub fn u64(&mut self) -> u64 {
        match self.u8() {
            first @ 0..200 => first.into(),
            200 => u64::from(self.u8()) << 8,
            201 => u32::MAX.into(),
            202 => u64::from(u32::MAX) + 1,
            203 => u64::MAX,
            204 => u64::MAX - u64::from(self.u8()),
            205 => i64::MAX.unsigned_abs(),
            206 => i32::MAX.unsigned_abs().into(),
            207 => u64::from(i32::MAX.unsigned_abs()) + 1,
            208..232 => 10_u64.pow(u32::from(self.u8()) % 20),
            _ => (0..8).fold(0, |number, _| number << 8 | u64::from(self.u8())),
        }
    }

    pub fn u32(&mut self) -> u32 {
        u32::try_from(self.u64() & u64::from(u32::MAX)).expect("masked")
    }

    /// The next bytes of the input, at most so many, and at most 255.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let wanted = usize::from(self.u8()).min(most);
        let (taken, rest) = self.rest.split_at(wanted.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// A body: short ones from the input; long ones made up, since the fuzzer's inputs are short.
    pub fn body(&mut self) -> Vec<u8> {
        match self.u8() {
            0..240 => self.bytes(255).to_vec(),
            // Rarely, since they cost as much as everything else: around where owned bodies begin to move instead of being copied, and where scratch buffers end.
            long @ 240..253 => {
                let lengths =
                    [4094, 4095, 4096, 4097, 8188, 8189, 8190, 8191, 8192, 8193, 16_384, 65_533, 65_536, 70_000];
                pattern(lengths[usize::from(long) % lengths.len()], self.u8())
            }
            _ => pattern(usize::from(self.u8()) * 300, self.u8()),
        }
    }
}

/// So many bytes, CR LF among them, different for each `salt`.
pub fn pattern(len: usize, salt: u8) -> Vec<u8> {
    const BYTES: &[u8] = b"\r\n abcdefghijk\r\r\nlmnopqrstuvwxyz\nDELETED\r\n";
    let mut pattern = Vec::with_capacity(len.max(BYTES.len()));
    let (end, start) = BYTES.split_at(usize::from(salt) % BYTES.len());
    pattern.extend_from_slice(start);
    pattern.extend_from_slice(end);
    while pattern.len() < len {
        pattern.extend_from_within(..pattern.len().min(len - pattern.len()));
    }
    pattern.truncate(len);
    pattern
}

/// Pseudo-random numbers that depend on an input alone: where to split it, for one.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn of(input: &[u8]) -> Self {
        // FNV-1a, so that every byte of the input counts.
        Self(
            input
                .iter()
                .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).expect("it is below a usize")
    }
}

/// How to cut an input into the pieces in which it is fed.
#[derive(Clone, Debug)]
pub enum Cut {
    Whole,
    /// A byte at a time, of which there were so many; what is behind [`Cut::MOST_BYTES`] comes in longer pieces.
    Bytes(usize),
    /// At random, mostly small pieces.
    Random(Dice),
}

impl Cut {
    const MOST_BYTES: usize = 1024;

    /// The ways in which an input can be fed.
    pub fn all(input: &[u8]) -> [Self; 3] {
        [Self::Whole, Self::Bytes(0), Self::Random(Dice::of(input))]
    }

    /// As a whole and, as the input chooses, a byte at a time or at random: a few inputs that differ a little are fed in all ways.
    pub fn two(input: &[u8]) -> [Self; 2] {
        let mut dice = Dice::of(input);
        [Self::Whole, if dice.below(2) == 0 { Self::Bytes(0) } else { Self::Random(dice) }]
    }

    /// How long the next piece is, if so much is left; at least 1.
    pub fn next(&mut self, left: usize) -> usize {
        match self {
            Self::Whole => left,
            Self::Bytes(n) if *n < Self::MOST_BYTES => {
                *n += 1;
                1
            }
            Self::Bytes(_) => 500,
            Self::Random(dice) => match dice.below(8) {
                0..4 => 1 + dice.below(4),
                4..7 => 1 + dice.below(64),
                _ => 1 + dice.below(9000),
            },
        }
        .clamp(1, left.max(1))
    }
}

/** Seconds; an instant is seconds since the Unix epoch. The core never reads a clock: `now` is an argument. */
export type Seconds = number;

/** Integer nano-dollars (1e-9 USD), exact in a double up to USD 9 million. */
export type NanoUsd = number;

/** US dollars as a float: for scores and estimates, never for a bill. */
export type Usd = number;

export type Tokens = number;

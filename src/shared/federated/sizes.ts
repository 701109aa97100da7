/** Sizes and bounds of federated runs. A row of parameters is the unit of storage and of every sum. */

/** Parameters of a row: 1 MiB of f32, half of what the platform lets one row hold. Shards begin at multiples of it. */
export const ROW_PARAMETERS = 2 ** 18;
export const ROW_BYTES = ROW_PARAMETERS * 4;
/** Bytes of one part of an update, as sent. */
export const PART_BYTES_MAX = 8 * 2 ** 20;
/** Parameters that share one scale in an int8 update; divides a row. */
export const INT8_BLOCK = 256;

/** A safetensors header is kept as one value beside others, so it stays far under the row limit. */
export const HEADER_BYTES_MAX = 2 ** 20;
export const TENSORS_MAX = 10_000;
export const TENSOR_NAME_BYTES_MAX = 256;
export const TENSOR_RANK_MAX = 8;
/** 32 GiB of f32. */
export const PARAMETERS_MAX = 2 ** 33;

/** Parameters of a shard when a specification names none: 64 MiB of f32. */
export const SHARD_PARAMETERS = 2 ** 24;
export const SHARDS_MAX = 1_024;
/** What the platform lets one object store, with a tenth left for indexes and pages not yet collected. */
export const SHARD_STORED_BYTES_MAX = 9 * 10 ** 9;

/** Updates whose bytes lie in the shards at once, and so the most of one flush. Its list, about 100 bytes an update, is one value of
 *  one row in the run and in each shard. */
export const UPDATES_STAGED_MAX = 10_000;
/** Bytes of one row of all staged updates. A row is summed in one turn, at 300 MB/s or more: half of the 30 s that a turn may take. */
export const ROW_SUMMED_BYTES_MAX = 2 ** 32;
/** Updates of one flush for rules that need them all at once: inner products grow with the square of it. */
export const UPDATES_AT_ONCE_MAX = 64;
/** What a client may claim at most; its weight is capped far lower. */
export const EXAMPLES_CLAIM_MAX = 1e9;

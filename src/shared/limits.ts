/** Every limit of the platform that we rely on, and every bound of our own that a request can meet. The local runtime does
 *  not enforce most of the platform's, so code checks against these names. Source: developers.cloudflare.com, 2026-11. */

/** Platform: one row, blob or string in a Durable Object's SQLite. Not enforced by the local runtime. */
export const SQLITE_ROW_BYTES_MAX = 2_000_000;
/** Platform: one argument or result of a Durable Object call. */
export const RPC_BYTES_MAX = 32 * 1024 * 1024;

/** Ours: a request body, read whole into the isolate's 128 MB. */
export const REQUEST_BODY_BYTES_MAX = 20 * 1024 * 1024;
/** Ours: how much of a plain (not streamed) answer is held back so that a cut answer can be tried elsewhere. */
export const ANSWER_HOLD_BYTES_MAX = 8 * 1024 * 1024;
/** Ours: how much of an answer is held before its first data event: comments, headers of a stream that has not begun. */
export const ANSWER_PREAMBLE_BYTES_MAX = 1024 * 1024;
/** Ours: a pool's 4xx answer, which is read whole. */
export const REFUSAL_BYTES_MAX = 1024 * 1024;
/** Ours: one server-sent event of a pool; a longer one is taken as garbage. */
export const SSE_EVENT_BYTES_MAX = 4 * 1024 * 1024;
/** Ours: an engine's metrics, which are read to see whether it restarted. */
export const ENGINE_METRICS_BYTES_MAX = 2 * 1024 * 1024;
/** Ours: a catalog document; it is one row in D1. */
export const CATALOG_BYTES_MAX = 1_000_000;
/** Ours: the explanation stored with a request record. */
export const RECORD_BYTES_MAX = 200_000;
/** Ours: how long a request may stand in the waiting room, whatever it asks for. */
export const WAITING_SECONDS_MAX = 600;
/** Ours: members of one body read at the top level. */
export const BODY_MEMBERS_MAX = 1_000;
/** Ours: how deep a body may nest before it is refused. */
export const JSON_DEPTH_MAX = 512;
/** Ours: one `POST /v1/kv/events`, and one engine batch in it. vLLM writes one batch a scheduler step, about 200 KB at most. */
export const KV_EVENTS_BYTES_MAX = 8 * 1024 * 1024;
export const KV_BATCH_BYTES_MAX = 4 * 1024 * 1024;
export const KV_BATCHES_MAX = 1_024;
export const KV_BATCH_EVENTS_MAX = 65_536;
/** Ours: token ids and hash words of one request, which cross to the scheduler object as 4 bytes each. */
export const KV_EVENTS_WORDS_MAX = 4_000_000;
/** Ours: of one event. */
export const KV_EVENT_TOKENS_MAX = 262_144;
export const KV_EVENT_BLOCKS_MAX = 65_536;
/** Ours: token ids of one `POST /v1/kv/lookup`, and its body. */
export const KV_LOOKUP_TOKENS_MAX = 1_048_576;
export const KV_LOOKUP_BYTES_MAX = 12 * 1024 * 1024;
/** Ours: a provider's or engine's answer about its state. llama.cpp's holds the chat template. */
export const STATUS_BYTES_MAX = 1024 * 1024;

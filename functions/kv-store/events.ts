import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { isRank, RANK_MAX } from "../../src/shared/kv/events/decode-batch.ts";
import { decodePost } from "../../src/shared/kv/events/decode-post.ts";
import type { EventFault, SequencedBatch } from "../../src/shared/kv/events/event.ts";
import { mergedReply } from "../../src/shared/kv/events/merged.ts";
import type { EventReply } from "../../src/shared/kv/events/messages.ts";
import { KV_EVENTS_BYTES_MAX } from "../../src/shared/limits.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { replicaOf } from "./pool-key.ts";
import { mediaType, readBytes } from "../../src/adapters/read-bytes.ts";
import { askSchedulers } from "./scheduler.ts";

const TYPES = {
	"application/msgpack": "msgpack",
	"application/x-msgpack": "msgpack",
	"application/vnd.msgpack": "msgpack",
	"application/json": "json",
} as const;
const TOPIC_MAX = 256;

/** `POST /v1/kv/events`: batches of one engine's KV events, from the forwarder beside it. Who speaks is known before the body is
 *  read; a body with a fault in it changes nothing. */
export async function takeEvents(
	request: Request,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<object, IsobarError>> {
	const snapshot = await isolateCatalog(env).snapshot((promise) => ctx.waitUntil(promise));
	if (!snapshot.ok) return snapshot;
	const replica = await replicaOf(request.headers, snapshot.value, env);
	if (!replica.ok) return replica;
	const type = mediaType(request, TYPES);
	if (!type.ok) return type;
	const topic = request.headers.get("x-isobar-kv-topic");
	if (topic !== null && topic.length > TOPIC_MAX) {
		return invalid("x-isobar-kv-topic", `A topic has ${TOPIC_MAX} characters at most`);
	}
	const body = await readBytes(request, KV_EVENTS_BYTES_MAX);
	if (!body.ok) return body;
	const batches = decodePost(body.value, type.value);
	if (!batches.ok) return err(faultError(batches.error));
	const rank = rankOf(request.headers.get("x-isobar-kv-rank"), batches.value);
	if (!rank.ok) return rank;

	const { name, pool } = replica.value;
	const source = { replica: name, rank: rank.value, topic };
	const model = snapshot.value.models.get(pool.model.id);
	// Every shard of the group keeps them: a prompt may be looked up in any.
	const replies =
		model &&
		(await askSchedulers(
			env,
			model,
			(scheduler) => scheduler.kvEvents(pool.model.id, snapshot.value.version, source, batches.value),
			pool.group,
		));
	if (replies && !replies.ok) return replies;
	const known = [...(replies?.value ?? [])].filter((each): each is EventReply => each !== null);
	const reply = mergedReply(known);
	if (!reply) {
		return err(isobarError("replica_not_found", `The catalog no longer has the replica ${name}`));
	}
	return ok({ object: "kv_events", replica: name, dp_rank: rank.value, ...reply });
}

/** The header's rank, or else the batches' own; they must not contradict each other. */
function rankOf(header: string | null, batches: readonly SequencedBatch[]): Result<number, IsobarError> {
	const asked = header === null ? null : /^\d{1,4}$/.test(header) ? Number(header) : Number.NaN;
	if (asked !== null && !isRank(asked))
		return invalid("x-isobar-kv-rank", `A rank is a whole number from 0 to ${RANK_MAX}`);
	const rank = asked ?? batches.find(({ batch }) => batch.rank !== null)?.batch.rank ?? 0;
	const other = batches.findIndex(({ batch }) => batch.rank !== null && batch.rank !== rank);
	if (other < 0) return ok(rank);
	const message = `This batch is of rank ${batches[other]!.batch.rank}, the request of rank ${rank}: each rank has its own sequence`;
	return invalid(`batches[${other}].data_parallel_rank`, message, other);
}

function faultError({ path, message, limit }: EventFault): IsobarError {
	const batch = /^batches\[(\d+)\]/.exec(path)?.[1];
	const details = { ...(batch !== undefined && { batch: Number(batch) }), ...(limit && { limit }) };
	return isobarError("invalid_request", `${path}: ${message}`, { param: path, details });
}

function invalid(param: string, message: string, batch?: number): Result<never, IsobarError> {
	return err(isobarError("invalid_request", message, { param, ...(batch !== undefined && { details: { batch } }) }));
}

import { resolveModel } from "../../src/shared/catalog/resolve-model.ts";
import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { err, ok, type Result } from "../../src/shared/result.ts";
import { callerOf } from "./caller.ts";
import { mergedStats } from "../../src/shared/kv/events/merged.ts";
import { askSchedulers } from "./scheduler.ts";

/** `GET /v1/kv/stats?model=`: how far each engine's events were read, what it holds, and what went wrong on the way. */
export async function readStats(
	request: Request,
	env: Env,
	ctx: ExecutionContext,
): Promise<Result<object, IsobarError>> {
	const caller = await callerOf(request, env, ctx);
	if (!caller.ok) return caller;
	const { key, snapshot } = caller.value;
	const name = new URL(request.url).searchParams.get("model");
	if (!name) return err(isobarError("model_missing", "Name a model: /v1/kv/stats?model=...", { param: "model" }));
	const model = resolveModel(snapshot, name, key);
	if (!model.ok) return model;
	const { id } = model.value;
	const stats = await askSchedulers(env, model.value, (scheduler) => scheduler.kvStats(id, snapshot.version));
	return stats.ok ? ok({ object: "kv_stats", model: id, ...mergedStats(stats.value) }) : stats;
}

import type { CatalogReplica } from "../../shared/catalog/snapshot.ts";
import type { ScaleToZero } from "../../shared/catalog/schema.ts";
import { STATUS_BYTES_MAX } from "../../shared/limits.ts";
import { err, ok, type Result } from "../../shared/result.ts";
import type { Seconds } from "../../shared/units.ts";
import type { WarmthSignal } from "../../shared/warmth/signal.ts";
import { answerSignal } from "../../shared/warmth/signals/answer.ts";
import { runpodPingSignal } from "../../shared/warmth/signals/runpod-ping.ts";
import { keepCall, wakeCalls, type EngineCall } from "../../shared/warmth/engine-calls.ts";
import { DeadlineError, secretFor, timedCall } from "../engine-call.ts";
import { textUpTo } from "../text-up-to.ts";

/** Why a replica was not woken, as far as is known. */
export interface WakeFailure {
	readonly code: "not_scaled_to_zero" | "connect" | "status" | "timeout";
	readonly detail: string;
}

/** Wakes a replica, and says how it stands then: warm, or waking where the provider said so, or still held the request after
 *  `seconds`, which is what a start looks like. An engine that sleeps answers only when it is awake: no answer is a failure.
 *  Nothing is repeated here, and nobody is asked first whether it is needed. Never rejects. */
export async function wake(
	replica: CatalogReplica,
	env: object,
	seconds: Seconds,
): Promise<Result<WarmthSignal, WakeFailure>> {
	const zero = replica.pool.pool.scale_to_zero;
	if (!zero) return err({ code: "not_scaled_to_zero", detail: `${replica.name} is always warm` });
	const until = Date.now() / 1_000 + seconds;
	let signal: WarmthSignal | null = null;
	for (const call of wakeCalls(replica)) {
		const done = await make(call, "wake", replica, zero, env, until - Date.now() / 1_000);
		if (!done.ok) return done;
		signal = done.value;
	}
	return ok(signal!);
}

/** Keeps a replica from becoming idle by the cheapest request that does, and says how it stands then, as `wake` does. Never
 *  rejects. */
export function keep(
	replica: CatalogReplica,
	env: object,
	seconds: Seconds,
): Promise<Result<WarmthSignal, WakeFailure>> {
	const zero = replica.pool.pool.scale_to_zero;
	if (!zero) return Promise.resolve(err({ code: "not_scaled_to_zero", detail: `${replica.name} is always warm` }));
	return make(keepCall(replica), "keep", replica, zero, env, seconds);
}

async function make(
	call: EngineCall,
	purpose: "wake" | "keep",
	replica: CatalogReplica,
	zero: ScaleToZero,
	env: object,
	seconds: Seconds,
): Promise<Result<WarmthSignal, WakeFailure>> {
	const secret = secretFor(replica, call);
	const source = `${zero.kind}_${purpose}`;
	const sentAt = Date.now() / 1_000;
	try {
		return await timedCall({ ...call, secret, seconds: Math.max(0, seconds) }, env, async (response) => {
			const { status, headers } = response;
			const body = (await textUpTo(response, STATUS_BYTES_MAX)) ?? "";
			const at = Date.now() / 1_000;
			const heard = { status, headers, body, seconds: at - sentAt, streamed: false, at };
			const told = zero.kind === "runpod_load_balancer" ? runpodPingSignal(heard) : answerSignal(zero.kind, heard);
			const isGood = status >= 200 && status < 300;
			// A provider's own call answers before the engine is there.
			if (call.toProvider && isGood) return ok({ state: "waking", at, source });
			if (told && !call.toProvider) return ok({ state: told.state, at, source });
			// An engine that has no such path is up.
			if (purpose === "keep" && (status === 404 || status === 405)) return ok({ state: "warm", at, source });
			return err({ code: "status", detail: `${call.method} ${new URL(call.url).pathname} was answered ${status}` });
		});
	} catch (error) {
		if (error instanceof DeadlineError) {
			const isHeld = zero.kind !== "vllm_sleep" && !call.toProvider;
			const at = Date.now() / 1_000;
			if (isHeld) return ok({ state: "waking", at, source, wakingFor: at - sentAt });
			return err({ code: "timeout", detail: error.message });
		}
		return err({ code: "connect", detail: error instanceof Error ? error.message : String(error) });
	}
}

import { isolateCatalog } from "../../src/adapters/catalog-cache.ts";
import type { CatalogReplica } from "../../src/shared/catalog/snapshot.ts";
import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Attempt } from "../../src/shared/ledger/messages.ts";
import type { ReplicaName } from "../../src/shared/scheduler/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { asAsked } from "../../src/shared/router/controls.ts";
import { logBug } from "../../src/adapters/log-bug.ts";
import { withoutPrompt, type Admitted } from "./admit.ts";
import { atNextModel } from "./auto/next-model.ts";
import { answerHeaders, earlyHeaders } from "./answer-headers.ts";
import { Beat } from "./beat.ts";
import { unused, type Choice } from "./choice.ts";
import { choose, type Seeker } from "./choose.ts";
import { errorOfFailure, type Failure } from "./failure.ts";
import { Hedge, type Answered } from "./hedge.ts";
import { Heartbeats } from "./heartbeats.ts";
import { carriers } from "./objects.ts";
import { PoolCall, type CallContext } from "./pool-call.ts";
import { relayLong, relayStream, type RelayEnd } from "./relay.ts";
import type { Caller } from "./prepared.ts";
import { RequestTimer } from "./request-timer.ts";
import { steadyMs } from "./steady-clock.ts";
import { endAttempt, relayed, settle, startAttempt, type Ending, type LastAttempt } from "./settle.ts";
import type { UpstreamResult } from "./upstream.ts";

/** Nginx's status for a client that hung up; it stands in records, since nobody is left to read it. */
const CLIENT_CLOSED_REQUEST = 499;

/** How many replicas that this isolate does not know a request is given before it ends. */
const UNKNOWN_MAX = 3;

/** One admitted request on its way through its attempts. */
export class Dispatch {
	#admitted: Admitted;
	readonly #http: Caller;
	readonly #hops: string;
	readonly #env: Env;
	readonly #ctx: ExecutionContext;
	readonly #attempts: Attempt[] = [];
	readonly #timer = new RequestTimer();
	readonly #seeker: Seeker;
	/** Null where none are wanted. */
	readonly #heartbeats: Heartbeats | null;
	/** Replicas that this isolate's catalog does not have. */
	readonly #unknown: ReplicaName[] = [];
	/** The attempt under way, as it stands. */
	#open: LastAttempt | null = null;
	#hedge: Hedge | null = null;
	#settled = false;

	constructor(admitted: Admitted, http: Caller, hops: string, env: Env, ctx: ExecutionContext) {
		this.#admitted = admitted;
		this.#http = http;
		this.#hops = hops;
		this.#env = env;
		this.#ctx = ctx;
		const { isolate, key, request } = admitted;
		const wantsHeartbeats = request.stream && (request.overrides.heartbeats ?? key.policy.heartbeats);
		this.#heartbeats = wantsHeartbeats
			? new Heartbeats(isolate.settings, steadyMs(), () => earlyHeaders(this.#admitted))
			: null;
		// Keeps the reservation and the lease of a request that takes long, be it in the waiting room or at a pool.
		const beat = new Beat(isolate.settings.renewSeconds, steadyMs(), () =>
			ctx.waitUntil(isolate.post.flush(carriers(env, isolate.id, isolate.settings))),
		);
		if (this.#heartbeats) beat.add(this.#heartbeats);
		this.#seeker = { env, ctx, client: http.signal, timer: this.#timer, beat, waited: 0 };
	}

	/** The answer, or what begins it while there is none. */
	answer(): Promise<Response> {
		const answer = this.#answered();
		if (!this.#heartbeats) return answer;
		// The answer that has begun is not the one that is waited for, nor does its failure reach anybody.
		const onBegin = (): void =>
			this.#ctx.waitUntil(answer.then(noop, (error: unknown) => logBug(error, new URL(this.#http.url).pathname)));
		return this.#heartbeats.around(answer, onBegin);
	}

	async #answered(): Promise<Response> {
		try {
			return await this.#run();
		} catch (error) {
			this.#crash();
			throw error;
		}
	}

	async #run(): Promise<Response> {
		const { isolate, route, stage } = this.#admitted;
		const attemptsMax = Math.min(isolate.settings.attemptsMax, route?.plan.controls.max_calls ?? Infinity);
		let lastFailure: { failure: Failure; attempt: LastAttempt } | undefined;
		for (let number = 1; this.#attempts.length < attemptsMax; number++) {
			if (lastFailure && stage && !stage.mayRetry(this.#attempts.length)) break;
			const exclude = this.#attempts.map((attempt) => attempt.replica).concat(this.#unknown);
			const ask = { number, retry: this.#attempts.length > 0, exclude };
			const chosen = await choose(this.#admitted, ask, this.#seeker);
			if (!chosen.ok) {
				if (chosen.error === "client_gone") return this.#leave(lastFailure?.attempt ?? null);
				const next = atNextModel(this.#admitted, chosen.error.error.code, this.#http.headers, this.#env);
				if (next) {
					this.#admitted = next;
					continue;
				}
				// A retry that finds no replica answers with what went wrong before.
				if (lastFailure) break;
				if (this.#unknown.length > 0) break;
				return this.#refuse(chosen.error.error, chosen.error.explanation);
			}
			const choice = chosen.value;
			const replica = this.#replica(choice) ?? (await this.#readAgain(choice));
			if (!replica) {
				this.#forgo(choice);
				if (this.#unknown.length < UNKNOWN_MAX) continue;
				break;
			}
			const done = await this.#attempt(choice, replica);
			if (done instanceof Response) return done;
			lastFailure = done;
		}
		if (!lastFailure) {
			return this.#refuse(
				isobarError("catalog_unavailable", "The catalog is changing; try again.", { retryAfter: 1 }),
				null,
			);
		}
		const { failure, attempt } = lastFailure;
		const error = errorOfFailure(failure, this.#attempts.length);
		// The attempt itself has been reported; what is left is the request.
		return this.#fail(error, attempt);
	}

	#replica({ replica }: Choice): CatalogReplica | undefined {
		return this.#admitted.model.replicas.find(({ name }) => name === replica.replica);
	}

	/** The scheduler's catalog is newer than this isolate's, or older: then a look at D1 does not help. */
	async #readAgain(choice: Choice): Promise<CatalogReplica | undefined> {
		const { model, catalogVersion } = this.#admitted;
		const waitUntil = (promise: Promise<unknown>): void => this.#ctx.waitUntil(promise);
		const snapshot = await isolateCatalog(this.#env).newerThan(catalogVersion, waitUntil);
		const now = snapshot.ok ? snapshot.value.models.get(model.id) : undefined;
		if (!snapshot.ok || now?.id !== model.id) return undefined;
		this.#admitted = { ...this.#admitted, model: now, catalogVersion: snapshot.value.version };
		return this.#replica(choice);
	}

	/** Gives back a reservation at a replica that cannot be called from here. */
	#forgo({ scheduler, reservation, replica }: Choice): void {
		const { isolate } = this.#admitted;
		isolate.post.mailbox(scheduler, Date.now() / 1_000).ended(unused(reservation), noop);
		this.#unknown.push(replica.replica);
	}

	async #attempt(
		choice: Choice,
		replica: CatalogReplica,
	): Promise<Response | { failure: Failure; attempt: LastAttempt }> {
		const call = new PoolCall(choice, replica, this.#admitted.hold);
		this.#open = call.last({});
		const { beat, timer } = this.#seeker;
		const context = { http: this.#http, hops: this.#hops, env: this.#env, beat, timer };
		const answered =
			choice.hedgeAfter === undefined || this.#hedge
				? await this.#sent(call, context)
				: await this.#hedged(call, context, choice.hedgeAfter);
		try {
			return this.#answer(answered.result, answered.call);
		} catch (error) {
			if ("abort" in answered.result) answered.result.abort.abort(error);
			throw error;
		}
	}

	async #sent(call: PoolCall, context: CallContext): Promise<Answered> {
		const result = await call.send(this.#admitted, context);
		this.#attempts.push(call.attempt);
		if (result.kind === "failed") {
			endAttempt(this.#admitted, call.last({ failure: result.failure }), "failed", noop);
		}
		return { call, result };
	}

	/** The same with a second call beside it, when its answer is late. */
	async #hedged(first: PoolCall, context: CallContext, after: Seconds): Promise<Answered> {
		const exclude = this.#attempts.map((attempt) => attempt.replica).concat(this.#unknown);
		this.#hedge = new Hedge(this.#admitted, first, context, this.#ctx, { after, exclude });
		const { call, result, calls } = await this.#hedge.race();
		this.#attempts.push(...calls.map((each) => each.attempt));
		return { call, result };
	}

	#answer(result: UpstreamResult, call: PoolCall): Response | { failure: Failure; attempt: LastAttempt } {
		const { choice } = call;
		const attempt = (extra: Partial<LastAttempt>): LastAttempt => call.last(extra);
		switch (result.kind) {
			case "failed": {
				// The scheduler has been told.
				this.#open = null;
				return { failure: result.failure, attempt: attempt({ failure: result.failure }) };
			}
			case "client_gone": {
				// A pool that was called has worked on it: its prompt, or its time, is owed.
				this.#settle(CLIENT_CLOSED_REQUEST, "client_gone", null, attempt({ answered: result.sent }));
				return new Response(null, { status: CLIENT_CLOSED_REQUEST });
			}
			case "refused": {
				const headers = answerHeaders(this.#admitted, choice, this.#attempts.length, result.headers);
				this.#settle(result.status, "refused", null, attempt({}));
				return new Response(result.body, { status: result.status, headers });
			}
			case "plain": {
				const headers = answerHeaders(this.#admitted, choice, this.#attempts.length, result.headers);
				this.#settle(result.status, "ok", null, attempt({ answered: true, usage: result.usage }));
				return new Response(result.body, { status: result.status, headers });
			}
			case "stream":
			case "long": {
				const { status } = result;
				const headers = answerHeaders(this.#admitted, choice, this.#attempts.length, result.headers);
				this.#admitted = withoutPrompt(this.#admitted);
				let { warmth } = result;
				const started = (ttft: Seconds): void => {
					startAttempt(this.#admitted, choice, ttft, result.headersAt, warmth);
					// A fallback's first token reaches a scheduler that does not know which replica it is of.
					if (choice.decidedBy === "scheduler") warmth = null;
				};
				if (result.kind === "stream" && result.ttft !== null) started(result.ttft);
				const onEnd = (end: RelayEnd): void => {
					this.#settle(status, end.outcome, end.error, attempt({ ...relayed(end, status), warmth }));
				};
				const { settings } = this.#admitted.isolate;
				const body =
					result.kind === "stream"
						? relayStream(result, this.#admitted.id, settings, { onFirstToken: started, onEnd })
						: relayLong(result, settings, { onFirstToken: started, onEnd });
				return new Response(body, { status, headers });
			}
		}
	}

	#refuse(refusal: IsobarError, explanation: Choice["explanation"]): Response {
		const error = asAsked(refusal, this.#admitted.request.route);
		const response = errorResponse(error, this.#admitted.id);
		this.#end({ status: response.status, outcome: "failed", error, explanation, last: null, reported: false });
		return response;
	}

	#fail(error: IsobarError, last: LastAttempt): Response {
		const response = errorResponse(error, this.#admitted.id);
		const { explanation } = last.choice;
		this.#end({ status: response.status, outcome: "failed", error, explanation, last, reported: true });
		return response;
	}

	/** The client hung up in the waiting room. `last`: the attempt before, which has been reported. */
	#leave(last: LastAttempt | null): Response {
		const explanation = last?.choice.explanation ?? null;
		const status = CLIENT_CLOSED_REQUEST;
		this.#end({ status, outcome: "client_gone", error: null, explanation, last, reported: true });
		return new Response(null, { status });
	}

	#settle(
		status: number,
		outcome: "ok" | "cut" | "client_gone" | "refused",
		error: IsobarError | null,
		last: LastAttempt,
	): void {
		this.#end({ status, outcome, error, explanation: last.choice.explanation, last, reported: false });
	}

	/** Something threw, which is a bug. What the request holds must not stay held for it. */
	#crash(): void {
		if (this.#settled) return;
		const error = isobarError("internal", "Isobar failed; the log says why.");
		const last = this.#open;
		const explanation = last?.choice.explanation ?? null;
		this.#end({ status: 500, outcome: "failed", error, explanation, last, reported: last === null });
	}

	#end(ending: Omit<Ending, "attempts" | "hedge">): void {
		this.#open = null;
		// The client of an answer that has begun has got another status than the one that tells how it went.
		const status = this.#heartbeats?.begun ? 200 : ending.status;
		settle(this.#admitted, { ...ending, status, attempts: this.#attempts, hedge: this.#hedge });
		this.#settled = true;
		this.#timer.stop();
		const { isolate, key, id } = this.#admitted;
		if (isolate.post.isAttended(Date.now() / 1_000)) return;
		this.#ctx.waitUntil(isolate.post.linger(key.tenant, id, carriers(this.#env, isolate.id, isolate.settings)));
	}
}

function noop(): void {}

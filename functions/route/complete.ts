import { errorResponse, isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import type { Attempt } from "../../src/shared/ledger/messages.ts";
import type { Endpoint } from "../../src/shared/scheduler/messages.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { admit, type Admitted } from "./admit.ts";
import { answerHeaders } from "./answer-headers.ts";
import { choose, type Choice } from "./choose.ts";
import { errorOfFailure, type Failure } from "./failure.ts";
import { nextHops } from "./hop.ts";
import { carriers } from "./objects.ts";
import { relayLong, relayStream, type RelayEnd } from "./relay.ts";
import { RequestTimer } from "./request-timer.ts";
import { requestId } from "./request-id.ts";
import { endAttempt, settle, type LastAttempt } from "./settle.ts";
import { callUpstream, type UpstreamResult } from "./upstream.ts";
import type { Beat } from "./watchdog.ts";
import { upstreamCall } from "./upstream-request.ts";

/** Nginx's status for a client that hung up; it stands in records, since nobody is left to read it. */
const CLIENT_CLOSED_REQUEST = 499;

/** The hot path: a prompt in, an answer out. Admits, chooses, calls, and tries the next replica until an answer has begun;
 *  what is left to do then (settling) happens behind the answer. */
export function complete(endpoint: Endpoint, http: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const answer = answerTo(endpoint, http, env, ctx);
	// A client that hangs up ends the request unless something is waited for, and then nobody would give back what it holds, or
	// hand on what it has taken from the isolate's mailboxes.
	ctx.waitUntil(answer.then(noop, noop));
	return answer;
}

function noop(): void {}

async function answerTo(endpoint: Endpoint, http: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
	const id = requestId(Date.now());
	const hops = nextHops(http.headers, env);
	if (!hops.ok) return errorResponse(hops.error, id);
	const admitted = await admit(id, endpoint, http, env, ctx);
	if (!admitted.ok) return errorResponse(admitted.error, id);
	return new Dispatch(admitted.value, http, hops.value, env, ctx).run();
}

/** One admitted request on its way through its attempts. */
class Dispatch {
	readonly #admitted: Admitted;
	readonly #http: Request;
	readonly #hops: string;
	readonly #env: Env;
	readonly #ctx: ExecutionContext;
	readonly #attempts: Attempt[] = [];
	readonly #timer = new RequestTimer();

	constructor(admitted: Admitted, http: Request, hops: string, env: Env, ctx: ExecutionContext) {
		this.#admitted = admitted;
		this.#http = http;
		this.#hops = hops;
		this.#env = env;
		this.#ctx = ctx;
	}

	async run(): Promise<Response> {
		const { settings } = this.#admitted.isolate;
		let lastFailure: { failure: Failure; attempt: LastAttempt } | undefined;
		for (let number = 1; number <= settings.attemptsMax; number++) {
			const tried = this.#attempts.map((attempt) => attempt.replica);
			const chosen = await choose(this.#admitted, number, tried, this.#env, this.#http.signal, this.#timer);
			if (!chosen.ok) {
				if (chosen.error === "client_gone") return this.#leave(lastFailure?.attempt ?? null);
				// A retry that finds no replica answers with what went wrong before.
				if (lastFailure) break;
				return this.#refuse(chosen.error.error, chosen.error.explanation);
			}
			const done = await this.#attempt(chosen.value);
			if (done instanceof Response) return done;
			lastFailure = done;
		}
		const { failure, attempt } = lastFailure!;
		const error = errorOfFailure(failure, this.#attempts.length);
		// The attempt itself has been reported; what is left is the request.
		return this.#fail(error, attempt);
	}

	async #attempt(choice: Choice): Promise<Response | { failure: Failure; attempt: LastAttempt }> {
		const { isolate, model, key } = this.#admitted;
		const replica = model.replicas.find(({ name }) => name === choice.replica.replica);
		if (!replica) {
			// The scheduler's catalog is newer than this isolate's, or older.
			const failure: Failure = {
				kind: "connect",
				status: null,
				retryAfter: null,
				detail: "the replica is not in this isolate's catalog",
			};
			this.#attempts.push({ replica: choice.replica.replica, status: null, failure: failure.detail, seconds: 0 });
			return this.#refuse(
				isobarError("catalog_unavailable", "The catalog is changing; try again.", { retryAfter: 1 }),
				choice.explanation,
			);
		}
		const since = Date.now() / 1_000;
		const { promptTokens, outputTokens } = choice;
		const renewal = {
			reservation: choice.reservation,
			replica: replica.name,
			tenant: key.tenant,
			key: key.id,
			promptTokens,
			outputTokens,
		};
		isolate.post.mailbox(choice.scheduler, since).depart({ renewal, since, started: false });
		isolate.replicas.enter(replica.name);

		const call = upstreamCall(this.#admitted, replica, this.#http.headers, this.#hops, this.#env);
		const result = await callUpstream(call, isolate.settings, this.#http.signal, this.#beat(), this.#timer);
		const attempt = (extra: Partial<LastAttempt>): LastAttempt => ({
			choice,
			replica,
			answered: false,
			failure: null,
			usage: null,
			tokenEvents: 0,
			ttft: null,
			headersAt: "headersAt" in result ? result.headersAt : null,
			seconds: Date.now() / 1_000 - since,
			...extra,
		});
		this.#attempts.push({
			replica: replica.name,
			status: "status" in result ? result.status : result.kind === "failed" ? result.failure.status : null,
			failure: result.kind === "failed" ? result.failure.detail : null,
			seconds: Date.now() / 1_000 - since,
		});
		return this.#answer(result, choice, attempt);
	}

	#answer(
		result: UpstreamResult,
		choice: Choice,
		attempt: (extra: Partial<LastAttempt>) => LastAttempt,
	): Response | { failure: Failure; attempt: LastAttempt } {
		switch (result.kind) {
			case "failed": {
				const failed = attempt({ failure: result.failure });
				endAttempt(this.#admitted, failed, "failed", () => {});
				return { failure: result.failure, attempt: failed };
			}
			case "client_gone": {
				// The pool has worked on it: its prompt, or its time, is owed.
				this.#settle(CLIENT_CLOSED_REQUEST, "client_gone", null, attempt({ answered: true }));
				return new Response(null, { status: CLIENT_CLOSED_REQUEST });
			}
			case "refused": {
				this.#settle(result.status, "refused", null, attempt({}));
				return new Response(result.body, {
					status: result.status,
					headers: answerHeaders(this.#admitted, choice, this.#attempts.length, result.headers),
				});
			}
			case "plain": {
				this.#settle(result.status, "ok", null, attempt({ answered: true, usage: result.usage }));
				return new Response(result.body, {
					status: result.status,
					headers: answerHeaders(this.#admitted, choice, this.#attempts.length, result.headers),
				});
			}
			case "stream":
			case "long": {
				const { status } = result;
				const started = (ttft: Seconds): void => this.#started(choice, ttft, result.headersAt);
				if (result.kind === "stream" && result.ttft !== null) started(result.ttft);
				const onEnd = (end: RelayEnd): void => {
					const failure: Failure | null =
						end.outcome === "cut"
							? { kind: "cut", status, retryAfter: null, detail: end.error?.message ?? "cut" }
							: null;
					const { usage, tokenEvents, ttft, seconds } = end;
					this.#settle(
						status,
						end.outcome,
						end.error,
						attempt({ answered: true, failure, usage, tokenEvents, ttft, seconds }),
					);
				};
				const { settings } = this.#admitted.isolate;
				const body =
					result.kind === "stream"
						? relayStream(result, this.#admitted.id, settings, { onFirstToken: started, onEnd })
						: relayLong(result, settings, { onFirstToken: started, onEnd });
				return new Response(body, {
					status,
					headers: answerHeaders(this.#admitted, choice, this.#attempts.length, result.headers),
				});
			}
		}
	}

	#started(choice: Choice, ttft: Seconds, headersAt: Seconds): void {
		const { isolate } = this.#admitted;
		// Headers that came with the first token tell nothing of the round trip.
		const headers = headersAt < ttft * 0.8 ? headersAt : null;
		isolate.post
			.mailbox(choice.scheduler, Date.now() / 1_000)
			.firstToken({ reservation: choice.reservation, ttft, headers });
	}

	/** Keeps the reservation and the lease of a request that runs for long. */
	#beat(): Beat {
		const { isolate } = this.#admitted;
		const run = (): void => this.#ctx.waitUntil(isolate.post.flush(carriers(this.#env, isolate.id, isolate.settings)));
		return { seconds: isolate.settings.renewSeconds, run };
	}

	#refuse(error: IsobarError, explanation: Choice["explanation"]): Response {
		const response = errorResponse(error, this.#admitted.id);
		settle(this.#admitted, {
			status: response.status,
			outcome: "failed",
			error,
			attempts: this.#attempts,
			explanation,
			last: null,
			reported: false,
		});
		this.#linger();
		return response;
	}

	#fail(error: IsobarError, attempt: LastAttempt): Response {
		const response = errorResponse(error, this.#admitted.id);
		settle(this.#admitted, {
			status: response.status,
			outcome: "failed",
			error,
			attempts: this.#attempts,
			explanation: attempt.choice.explanation,
			last: attempt,
			reported: true,
		});
		this.#linger();
		return response;
	}

	/** The client hung up in the waiting room. `attempt`: the last one before, which has been reported. */
	#leave(attempt: LastAttempt | null): Response {
		settle(this.#admitted, {
			status: CLIENT_CLOSED_REQUEST,
			outcome: "client_gone",
			error: null,
			attempts: this.#attempts,
			explanation: attempt?.choice.explanation ?? null,
			last: attempt,
			reported: true,
		});
		this.#linger();
		return new Response(null, { status: CLIENT_CLOSED_REQUEST });
	}

	#settle(
		status: number,
		outcome: "ok" | "cut" | "client_gone" | "refused",
		error: IsobarError | null,
		last: LastAttempt,
	): void {
		settle(this.#admitted, {
			status,
			outcome,
			error,
			attempts: this.#attempts,
			explanation: last.choice.explanation,
			last,
			reported: false,
		});
		this.#linger();
	}

	#linger(): void {
		this.#timer.stop();
		const { isolate, key, id } = this.#admitted;
		this.#ctx.waitUntil(isolate.post.linger(key.tenant, id, carriers(this.#env, isolate.id, isolate.settings)));
	}
}

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SCALE_TO_ZERO, SCALE_TO_ZERO_NAMES, type ScaleToZeroName } from "../../../src/shared/catalog/scale-to-zero.ts";
import { answerSignal, type HeardAnswer } from "../../../src/shared/warmth/signals/answer.ts";
import { runpodPingSignal } from "../../../src/shared/warmth/signals/runpod-ping.ts";
import { statusSignal } from "../../../src/shared/warmth/signals/status.ts";

const AT = 1_760_000_000;
const status = (kind: ScaleToZeroName, body: unknown, code = 200) =>
	statusSignal(
		{ kind, sole_tenant: true, keep_warm: true, let_go: true },
		{ status: code, body: typeof body === "string" ? body : JSON.stringify(body), at: AT },
	);

describe("what a status says", () => {
	const runpod = (workers: object, jobs: object = {}) => ({
		jobs: { completed: 1, failed: 5, inProgress: 0, inQueue: 0, retried: 0, ...jobs },
		workers: { idle: 0, running: 0, ...workers },
	});
	const hf = (state: string, more: object = {}) => ({ name: "e", status: { state, message: "", ...more } });

	test.each<[ScaleToZeroName, unknown, string | undefined]>([
		["runpod_queue", runpod({ idle: 1 }), "warm"],
		["runpod_queue", runpod({ running: 2 }, { inProgress: 2, inQueue: 9 }), "warm"],
		["runpod_queue", runpod({ initializing: 1, throttled: 0 }), "waking"],
		["runpod_queue", runpod({}, { inQueue: 1 }), "waking"],
		["runpod_queue", runpod({}), "cold"],
		["runpod_queue", runpod({}, { inProgress: 1 }), undefined],
		["runpod_queue", runpod({ idle: -1 }), undefined],
		["runpod_queue", runpod({ idle: "1" }), undefined],
		["runpod_queue", { jobs: {}, workers: {} }, undefined],
		["runpod_queue", { workers: { idle: 1, running: 1 } }, undefined],
		["huggingface", hf("scaledToZero"), "cold"],
		["huggingface", hf("pending"), "waking"],
		["huggingface", hf("initializing"), "waking"],
		["huggingface", hf("running", { readyReplica: 1 }), "warm"],
		["huggingface", hf("running", { readyReplica: 0 }), undefined],
		["huggingface", hf("paused"), undefined],
		["huggingface", hf("updating"), undefined],
		["huggingface", { status: "running" }, undefined],
		["modal", { backlog: 0, num_total_runners: 0 }, "cold"],
		["modal", { backlog: 2, numTotalRunners: 0 }, "waking"],
		["modal", { backlog: 0, num_total_runners: 1 }, "warm"],
		["modal", { backlog: 3, num_total_runners: 1 }, undefined],
		["modal", { backlog: 0 }, undefined],
		["modal", { num_total_runners: 0 }, undefined],
		["cog", { status: "READY" }, "warm"],
		["cog", { status: "BUSY" }, "warm"],
		["cog", { status: "STARTING" }, "waking"],
		["cog", { status: "SETUP_FAILED" }, undefined],
		["cog", { status: "ready" }, undefined],
		["vllm_sleep", { is_sleeping: true }, "asleep"],
		["vllm_sleep", { is_sleeping: false }, "warm"],
		["vllm_sleep", { is_sleeping: "false" }, undefined],
		["llama_cpp", { is_sleeping: true, chat_template: "x" }, "asleep"],
		["llama_cpp", { is_sleeping: false }, "warm"],
		["llama_cpp", {}, undefined],
		["plain", { is_sleeping: true }, undefined],
	])("%s: %j is %s", (kind, body, state) => {
		expect(status(kind, body)?.state).toBe(state);
		if (state !== undefined) expect(status(kind, body)?.at).toBe(AT);
		// The same words under another status are not the provider's.
		expect(status(kind, body, 502)).toBeNull();
	});

	test("more than the state, where it is told", () => {
		expect(
			statusSignal(
				{ kind: "vllm_sleep", sleep_level: 2, sole_tenant: true, keep_warm: true, let_go: true },
				{ status: 200, body: '{"is_sleeping":true}', at: AT },
			),
		).toEqual({ state: "asleep", at: AT, source: "vllm_sleep", level: 2 });
		const starting = (startedAt: string) => status("cog", { status: "STARTING", setup: { started_at: startedAt } });
		expect(starting(new Date((AT - 42) * 1_000).toISOString())).toMatchObject({ state: "waking", wakingFor: 42 });
		expect(starting(new Date((AT + 9) * 1_000).toISOString())).not.toHaveProperty("wakingFor");
		expect(starting("yesterday")).not.toHaveProperty("wakingFor");
		expect(status("llama_cpp", { error: { message: "Loading model" } }, 503)).toMatchObject({ state: "waking" });
	});

	test("garbage says nothing, and throws nothing", () => {
		const body = fc.oneof(
			fc.string(),
			fc.json(),
			fc.constantFrom("", "null", "[]", "{", '{"status":null}', '{"jobs":[],"workers":[]}'),
		);
		fc.assert(
			fc.property(
				fc.constantFrom(...SCALE_TO_ZERO_NAMES),
				fc.integer({ min: 200, max: 599 }),
				body,
				(kind, code, text) => {
					const signal = status(kind, text, code);
					expect(signal === null || (kind === "llama_cpp" && code === 503)).toBe(true);
				},
			),
		);
	});

	test("only kinds that have a status have a word that is heard", () => {
		const words = [
			{ is_sleeping: false },
			{ status: "READY" },
			{ backlog: 0, num_total_runners: 1 },
			hf("running"),
			runpod({ idle: 1 }),
		];
		for (const kind of SCALE_TO_ZERO_NAMES) {
			const heard = words.some((word) => status(kind, word) !== null);
			expect(heard, kind).toBe(SCALE_TO_ZERO[kind].status !== "none");
		}
	});
});

describe("what an answer says", () => {
	const heard = (code: number, more: Partial<HeardAnswer> = {}): HeardAnswer => ({
		status: code,
		headers: new Headers(),
		body: "",
		seconds: 31,
		streamed: true,
		at: AT,
		...more,
	});
	const keda = (value: string) => new Headers({ "X-KEDA-HTTP-Cold-Start": value });

	test("a good one that the pool is warm", () => {
		for (const kind of SCALE_TO_ZERO_NAMES)
			expect(answerSignal(kind, heard(200)), kind).toEqual({ state: "warm", at: AT, source: "answer" });
	});

	test("503 of a provider, that it starts; of engines and of those that hold requests, nothing", () => {
		const starting = SCALE_TO_ZERO_NAMES.filter((kind) => answerSignal(kind, heard(503))?.state === "waking");
		expect(starting).toEqual(["plain", "huggingface", "knative", "modal", "cog", "llama_cpp"]);
		for (const kind of SCALE_TO_ZERO_NAMES)
			for (const code of [400, 401, 404, 429, 500, 502]) expect(answerSignal(kind, heard(code))).toBeNull();
	});

	test("KEDA's header labels a start: its seconds where they are those of the headers of a stream", () => {
		const label = { state: "warm", at: AT, source: "keda_header", coldSeconds: 31 };
		expect(answerSignal("keda", heard(200, { headers: keda("true") }))).toEqual(label);
		expect(answerSignal("keda", heard(200, { headers: keda("TRUE ") }))).toEqual(label);
		const plain = heard(200, { headers: keda("true"), streamed: false });
		expect(answerSignal("keda", plain)).toEqual({ state: "warm", at: AT, source: "answer" });
		expect(answerSignal("keda", heard(200, { headers: keda("false") }))).toEqual({
			state: "warm",
			at: AT,
			source: "keda_header",
		});
		expect(answerSignal("keda", heard(200, { headers: keda("maybe") }))?.source).toBe("answer");
		expect(answerSignal("keda", heard(502, { headers: keda("true") }))?.state).toBe("waking");
		expect(answerSignal("keda", heard(502, { headers: keda("false") }))).toBeNull();
		expect(answerSignal("knative", heard(200, { headers: keda("true") }))).not.toHaveProperty("coldSeconds");
	});

	test("RunPod's balancer: 204 and its 400 are a start; a client's own 400 is not", () => {
		const kind = "runpod_load_balancer";
		expect(answerSignal(kind, heard(204))?.state).toBe("waking");
		expect(answerSignal(kind, heard(400, { body: '{"error":"no workers available"}' }))?.state).toBe("waking");
		expect(answerSignal(kind, heard(400, { body: '{"error":"max_tokens is too large"}' }))).toBeNull();
		expect(answerSignal("plain", heard(400, { body: "no workers available" }))).toBeNull();
		const ping = (code: number, body = "") => runpodPingSignal({ status: code, body, at: AT })?.state;
		expect([ping(200), ping(204), ping(400, "No workers available"), ping(400), ping(502)]).toEqual([
			"warm",
			"waking",
			"waking",
			undefined,
			undefined,
		]);
	});
});

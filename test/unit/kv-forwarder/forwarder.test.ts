import { encode } from "@msgpack/msgpack";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Engine } from "../../../clients/kv-forwarder/src/engine.ts";
import { Forwarder, type ForwarderOptions } from "../../../clients/kv-forwarder/src/forwarder.ts";
import { FrameBuffer } from "../../../clients/kv-forwarder/src/frame-buffer.ts";
import { readSequence, writeSequence, type Frame } from "../../../clients/kv-forwarder/src/frame.ts";
import type { Answer, Gateway } from "../../../clients/kv-forwarder/src/gateway.ts";
import { endpointOf, readOptions } from "../../../clients/kv-forwarder/src/options.ts";
import { decodePayload } from "../../../src/shared/kv/events/decode-batch.ts";
import { tokenChain } from "../../../src/shared/kv/events/token-chain.ts";
import { EngineEvents } from "../../../src/shared/kv/events/engine-events.ts";

/** An engine that says what a test lets it say, and has the last frames of its life for replays. */
class FakeEngine implements Engine {
	#onFrame: (frame: Frame) => void = () => {};
	#onConnected: () => void = () => {};
	#close: () => void = () => {};
	readonly #bufferSteps: number;
	#clock = 0;
	#seq = 0;
	#buffer: Frame[] = [];

	constructor(bufferSteps: number) {
		this.#bufferSteps = bufferSteps;
	}

	listen(onFrame: (frame: Frame) => void, onConnected: () => void): Promise<void> {
		this.#onFrame = onFrame;
		this.#onConnected = onConnected;
		return new Promise((resolve) => (this.#close = resolve));
	}

	replay(from: number): AsyncIterable<Frame> | null {
		if (this.#bufferSteps === 0) return null;
		const frames = this.#buffer.filter(({ seq }) => seq >= from);
		return (async function* () {
			yield* frames;
		})();
	}

	close(): void {
		this.#close();
	}

	begin(): void {
		this.#seq = 0;
		this.#buffer = [];
		this.#onConnected();
	}

	/** `hash` is the one block of a batch, whose tokens are all that number. */
	publish(hash: number, arrives: boolean): void {
		const tokens = Array.from({ length: 16 }, () => hash);
		const payload = encode([++this.#clock, [["BlockStored", [hash], null, tokens, 16, null]]]);
		this.say({ seq: this.#seq++, payload, lost: false }, arrives);
	}

	say(frame: Frame, arrives = true): void {
		this.#buffer.push(frame);
		if (this.#buffer.length > this.#bufferSteps) this.#buffer.shift();
		if (arrives) this.#onFrame(frame);
	}
}

/** The gateway's own state machine behind scripted trouble. */
class FakeGateway implements Gateway {
	readonly events = new EngineEvents({ blocksMax: 10_000 });
	readonly sizes: number[] = [];
	readonly #trouble: Exclude<Answer, { kind: "taken" }>[];
	readonly #framesMax: number;

	constructor(trouble: Exclude<Answer, { kind: "taken" }>[] = [], framesMax = 1_000) {
		this.#trouble = trouble;
		this.#framesMax = framesMax;
	}

	async send(frames: readonly Frame[]): Promise<Answer> {
		this.sizes.push(frames.length);
		const trouble = this.#trouble.shift();
		if (trouble) return trouble;
		if (frames.length > this.#framesMax) return { kind: "too_large" };
		const batches = [];
		for (const [index, { seq, payload, lost }] of frames.entries()) {
			const batch = decodePayload(payload, "");
			if (!batch.ok) return { kind: "bad_frame", index, reason: batch.error.message };
			batches.push({ seq, lost, batch: batch.value });
		}
		const reply = this.events.accept({ replica: "p/a", rank: 0, topic: null }, batches);
		const { next, replay_from: replayFrom, applied, duplicates, resets } = reply;
		return { kind: "taken", next, used: applied + duplicates, replayFrom, resets };
	}

	get held(): number {
		return this.events.stats().ranks[0]?.tokens.GPU ?? 0;
	}

	get next(): number {
		return this.events.stats().ranks[0]?.next ?? 0;
	}
}

const OPTIONS: ForwarderOptions = {
	buffer: { framesMax: 10_000, bytesMax: 1e9 },
	request: { framesMax: 8, bytesMax: 1e6 },
	lingerSeconds: 0,
	backOffSeconds: { first: 0.001, max: 0.002 },
	drainSeconds: 5,
	log: () => {},
	random: () => 0,
};
const LATER: Answer & { kind: "later" } = { kind: "later", reason: "503", isRefusal: false };

function started(engine: FakeEngine, gateway: Gateway, options: Partial<ForwarderOptions> = {}) {
	const forwarder = new Forwarder(engine, gateway, { ...OPTIONS, ...options });
	const done = forwarder.run();
	return { forwarder, end: () => (forwarder.stop(), done) };
}

const turns = () => new Promise((resolve) => setTimeout(resolve, 1));

describe("the forwarder", () => {
	test("whatever is lost, and however often the engine restarts, the gateway ends with what the engine says last", async () => {
		const life = fc.array(fc.boolean(), { minLength: 1, maxLength: 20 });
		const property = fc.asyncProperty(
			fc.array(life, { minLength: 1, maxLength: 3 }),
			fc.constantFrom(1_000, 1_000, 4),
			fc.array(fc.constant(LATER), { maxLength: 3 }),
			async (lives, bufferSteps, trouble) => {
				const engine = new FakeEngine(bufferSteps);
				const gateway = new FakeGateway([...trouble]);
				const { end } = started(engine, gateway);
				let hash = 0;
				for (const arrivals of lives) {
					engine.begin();
					for (const [index, arrives] of arrivals.entries()) {
						engine.publish(++hash, arrives || index === arrivals.length - 1);
						if (index % 3 === 0) await turns();
					}
					await turns();
				}
				await end();
				const last = lives.at(-1)!.length;
				expect(gateway.next).toBe(last);
				// A buffer that is too short costs blocks, and never adds one of another life.
				if (bufferSteps > last) expect(gateway.held).toBe(16 * last);
				else expect(gateway.held).toBeLessThanOrEqual(16 * last);
			},
		);
		await fc.assert(property, { numRuns: 60 });
	});

	test("a new life that has got exactly as far as the last one is told apart", async () => {
		const engine = new FakeEngine(1_000);
		const gateway = new FakeGateway();
		const { forwarder, end } = started(engine, gateway);
		engine.begin();
		for (const hash of [1, 2, 3]) engine.publish(hash, true);
		while (forwarder.counts.sent < 3) await turns();
		engine.begin();
		for (const hash of [4, 5, 6, 7]) engine.publish(hash, hash === 7);
		while (gateway.next < 4) await turns();
		await end();
		expect(gateway.held).toBe(64);
		expect(gateway.events.lookup(() => tokenChain(new Uint32Array(16).fill(1), null, null))).toEqual([]);
	});

	test.for<[bufferSteps: number, held: number]>([
		[1_000, 80],
		[0, 16],
	])(
		"what waits is not sent after a new life's beginning that its numbers fit (%d steps replayed)",
		async ([steps, held]) => {
			const engine = new FakeEngine(steps);
			const gateway = new FakeGateway();
			const { forwarder, end } = started(engine, gateway);
			engine.begin();
			for (const hash of [1, 2]) engine.publish(hash, true);
			while (forwarder.counts.sent < 2) await turns();
			for (const hash of [3, 4]) engine.publish(hash, true);
			engine.begin();
			for (const hash of [5, 6]) engine.publish(hash, false);
			// The new life's two have been replayed, and what waited had its turn.
			while (forwarder.counts.replayed < Math.min(steps, 2) || forwarder.counts.waiting > 0) await turns();
			for (const hash of [7, 8, 9]) engine.publish(hash, hash === 9);
			while (gateway.next < 5) await turns();
			await end();
			expect(gateway.held).toBe(held);
			for (const hash of [1, 2, 3, 4])
				expect(gateway.events.lookup(() => tokenChain(new Uint32Array(16).fill(hash), null, null))).toEqual([]);
		},
	);

	test("without replays a gap starts the gateway anew", async () => {
		const engine = new FakeEngine(0);
		const gateway = new FakeGateway();
		const { forwarder, end } = started(engine, gateway);
		engine.begin();
		for (let hash = 1; hash <= 6; hash++) {
			engine.publish(hash, hash !== 4);
			await turns();
		}
		await end();
		expect(gateway.held).toBe(32);
		expect(forwarder.counts).toMatchObject({ received: 5, gaps: 1, resets: 1, dropped: 0, replayed: 0 });
	});

	test("while the gateway is away the oldest frames are dropped and counted, and replayed afterwards", async () => {
		const engine = new FakeEngine(1_000);
		const gateway = new FakeGateway(Array.from({ length: 5 }, () => LATER));
		const options = {
			buffer: { framesMax: 10, bytesMax: 1e6 },
			backOffSeconds: { first: 0.02, max: 0.02 },
			random: () => 1,
		};
		const { forwarder, end } = started(engine, gateway, options);
		engine.publish(1, true);
		while (forwarder.counts.retries === 0) await turns();
		for (let hash = 2; hash <= 100; hash++) engine.publish(hash, true);
		expect(forwarder.counts).toMatchObject({ waiting: 10, dropped: 89, retries: 1 });
		await end();
		expect(gateway.held).toBe(1_600);
		expect(forwarder.counts).toMatchObject({ retries: 5, gaps: 1 });
	});

	test("a frame that cannot be read is left out, and what is too large comes in halves", async () => {
		const engine = new FakeEngine(1_000);
		const gateway = new FakeGateway([], 3);
		const { forwarder, end } = started(engine, gateway, { lingerSeconds: 0.01 });
		for (let hash = 1; hash <= 3; hash++) engine.publish(hash, true);
		engine.say({ seq: 3, payload: Uint8Array.of(0xc1), lost: false });
		for (let seq = 4; seq < 8; seq++) {
			const tokens = Array.from({ length: 16 }, () => seq);
			engine.say({ seq, payload: encode([10 + seq, [["BlockStored", [seq], null, tokens, 16, null]]]), lost: false });
		}
		await turns();
		await end();
		expect(gateway.sizes).toEqual([8, 4, 2, 2, 1, 4, 2, 2]);
		expect(forwarder.counts).toMatchObject({ rejected: 1, resets: 1 });
		// What was known before the frame may be wrong since.
		expect(gateway.held).toBe(64);
		expect(gateway.next).toBe(8);
	});

	test("a stop gives up on a gateway that does not come back", async () => {
		const engine = new FakeEngine(1_000);
		const never: Gateway = { send: async () => LATER };
		const { forwarder, end } = started(engine, never, { drainSeconds: 0.05 });
		engine.publish(1, true);
		const before = performance.now();
		await end();
		expect(performance.now() - before).toBeLessThan(1_000);
		expect(forwarder.counts.sent).toBe(0);
	});
});

test("the buffer keeps the newest frames that fit, in order", () => {
	const limits = fc.record({ framesMax: fc.integer({ min: 1, max: 10 }), bytesMax: fc.integer({ min: 1, max: 50 }) });
	fc.assert(
		fc.property(limits, limits, fc.array(fc.nat(20), { maxLength: 40 }), (limits, request, sizes) => {
			const buffer = new FrameBuffer(limits);
			for (const [seq, size] of sizes.entries()) buffer.push({ seq, payload: new Uint8Array(size), lost: false });
			expect(buffer.length).toBeLessThanOrEqual(limits.framesMax);
			expect(buffer.bytes).toBeLessThanOrEqual(limits.bytesMax);
			expect(buffer.length + buffer.dropped).toBe(sizes.length);
			const taken: number[] = [];
			while (buffer.length > 0) {
				const frames = buffer.take(request);
				expect(frames.length).toBeGreaterThan(0);
				const bytes = frames.reduce((sum, { payload }) => sum + payload.length, 0);
				expect(frames.length === 1 || bytes <= request.bytesMax).toBe(true);
				taken.push(...frames.map(({ seq }) => seq));
			}
			expect(taken).toEqual(sizes.map((_, seq) => seq).slice(buffer.dropped));
			expect(buffer.bytes).toBe(0);
		}),
	);
});

test("sequence numbers are 8 bytes, and -1 ends a replay", () => {
	for (const seq of [0, 1, 258, 2 ** 40, Number.MAX_SAFE_INTEGER, -1])
		expect(readSequence(writeSequence(seq))).toBe(seq);
	expect(readSequence(new Uint8Array(7))).toBeNull();
	expect(readSequence(Uint8Array.of(0x7f, 255, 255, 255, 255, 255, 255, 255))).toBeNull();
});

describe("options", () => {
	const needed = ["--gateway", "https://isobar.example.com", "--replica", "pool/a"];
	const env = { ISOBAR_EVENTS_KEY: "secret\n" };

	test("defaults", () => {
		expect(readOptions(needed, env)).toMatchObject({ key: "secret", ranks: [0], replay: null, lingerSeconds: 0.05 });
		expect(readOptions([...needed, "--ranks", "2", "--first-rank", "4"], env).ranks).toEqual([4, 5]);
		expect(endpointOf("tcp://engine:5557", 5)).toBe("tcp://engine:5562");
	});

	test.for<[readonly string[], Record<string, string>, RegExp]>([
		[needed, {}, /key/],
		[needed.slice(2), env, /--gateway/],
		[needed.slice(0, 2), env, /--replica/],
		[[...needed, "--ranks", "0"], env, /--ranks/],
		[[...needed, "--ranks", "257"], env, /--ranks/],
		[[...needed, "--unknown", "1"], env, /unknown/],
	])("%j is explained", ([args, env, reason]) => {
		expect(() => readOptions(args, env)).toThrow(reason);
	});
});

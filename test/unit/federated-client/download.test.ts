import * as fc from "fast-check";
import { expect, test } from "vitest";
import { download } from "../../../clients/typescript/src/download.ts";
import { MemoryStore } from "../../../clients/typescript/src/store.ts";
import { FakeRun, refusal, type Answer } from "./fake-run.ts";

const MIB = 2 ** 20;
/** As long as the longest file. */
const PATTERN = Uint8Array.from({ length: 9 * MIB }, (_, i) => (i * 31) ^ (i >> 9));

/** Answers with what a Range header asks of `file`, but breaks off after so many bytes, each number once. */
function flaky(file: Uint8Array<ArrayBuffer>, cuts: number[]): Answer {
	return (request) => {
		const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
		if (from >= file.length) {
			return Response.json(
				{ error: { code: "range_not_satisfiable", details: { size: file.length } } },
				{ status: 416 },
			);
		}
		const rest = file.slice(from);
		const cut = cuts.shift() ?? rest.length;
		const isCut = cut < rest.length;
		const stream = new ReadableStream<Uint8Array>({
			start(controller) {
				controller.enqueue(rest.slice(0, cut));
			},
			pull(controller) {
				if (isCut) controller.error(new TypeError("terminated"));
				else controller.close();
			},
		});
		const headers = { "content-length": String(rest.length), "content-range": `bytes ${from}-/${file.length}` };
		return new Response(stream, { status: from > 0 ? 206 : 200, headers });
	};
}

const pull = async (run: FakeRun, store: MemoryStore) =>
	download(
		await run.transport(),
		store,
		"model.x",
		"/versions/x",
		() => {},
		() => {},
	);

test("a download comes out whole however it is cut, also by a process that ends", async () => {
	const sizes = fc.oneof(fc.integer({ min: 1, max: 9 * MIB }), fc.constantFrom(4 * MIB, 8 * MIB, 4 * MIB + 1));
	const cuts = fc.array(fc.integer({ min: 1, max: 5 * MIB }), { maxLength: 6 });
	await fc.assert(
		fc.asyncProperty(sizes, cuts, cuts, async (size, before, after) => {
			const file = PATTERN.slice(0, size);
			const store = new MemoryStore();
			// A first process whose run is no longer there after those cuts.
			const gone: Answer = () => refusal(410, "version_gone");
			const answers: Answer[] = before.map((cut) => flaky(file, [cut]));
			const first = await pull(new FakeRun(...answers, gone), store).catch(() => null);
			if (first) expect(Buffer.from(first).equals(file)).toBe(true);
			const kept = (await store.names("model.x.")).length;
			const run = new FakeRun(flaky(file, [...after]));
			expect(Buffer.from(await pull(run, store)).equals(file)).toBe(true);
			const range = run.requests[0]?.headers.get("range");
			if (kept > 0 && range) expect(range).toBe(`bytes=${kept * 4 * MIB}-`);
			// Who has it needs no more than to be told its size.
			const again = new FakeRun(flaky(file, []));
			expect(Buffer.from(await pull(again, store)).equals(file)).toBe(true);
			expect(again.requests.length).toBe(size % (4 * MIB) === 0 ? 1 : 0);
		}),
		{ numRuns: 15 },
	);
}, 120_000);

test("a server that knows no ranges sends it all anew", async () => {
	const file = new Uint8Array(5 * MIB).fill(7);
	const whole: Answer = () => new Response(file, { headers: { "content-length": String(file.length) } });
	const run = new FakeRun(flaky(file, [3 * MIB]), whole);
	expect(Buffer.from(await pull(run, new MemoryStore())).equals(file)).toBe(true);
	expect(run.requests).toHaveLength(2);
});

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { measureRates, type Kernel } from "../../../../bench/aggregate/rates.ts";

/** A machine on which a run of each kernel takes a known time, and whose clock goes in steps. */
class Machine {
	#time = 0.123;
	readonly #stepMs: number;
	/** How long others have the machine now and then, and how often. */
	readonly #pause: { readonly ms: number; readonly every: number };
	#runs = 0;

	constructor(stepMs: number, pause = { ms: 0, every: 1 }) {
		this.#stepMs = stepMs;
		this.#pause = pause;
	}

	now = (): number => Math.floor(this.#time / this.#stepMs) * this.#stepMs;

	kernel(name: string, parameters: number, runMs: number): Kernel {
		const run = (): void => {
			this.#time += runMs;
			if (++this.#runs % this.#pause.every === 0) this.#time += this.#pause.ms;
		};
		return { name, parameters, run };
	}
}

test("a rate is the parameters of a run over its time, within what a step of the clock hides", () => {
	const runMs = fc.double({ min: 1e-4, max: 40, noNaN: true });
	fc.assert(
		fc.property(runMs, runMs, (a, b) => {
			const machine = new Machine(1e-3);
			const rates = measureRates([machine.kernel("a", 1_000, a), machine.kernel("b", 2_000, b)], 3, machine.now);
			expect(rates.get("a")! / (1 / a)).toBeCloseTo(1, 2);
			expect(rates.get("b")! / (2 / b)).toBeCloseTo(1, 2);
		}),
		{ numRuns: 50 },
	);
});

test("a clock of 4 ms gives rates, not zeros and infinities, of what is far shorter", () => {
	const machine = new Machine(4);
	const rates = measureRates([machine.kernel("a", 1_000, 0.01), machine.kernel("none", 1_000, 1e-4)], 2, machine.now);
	for (const rate of rates.values()) {
		expect(rate).toBeGreaterThan(0);
		expect(rate).toBeLessThan(Infinity);
	}
});

test("what others take of the machine in some bursts does not count", () => {
	const quiet = new Machine(1e-6);
	const busy = new Machine(1e-6, { ms: 30, every: 17 });
	const rateOf = (machine: Machine) => measureRates([machine.kernel("a", 1_000, 1)], 40, machine.now).get("a")!;
	expect(rateOf(busy)).toBeCloseTo(rateOf(quiet), 9);
});

test("kernels take turns", () => {
	const order: string[] = [];
	let time = 0;
	const kernel = (name: string): Kernel => ({ name, parameters: 1, run: () => void (order.push(name), (time += 5)) });
	measureRates([kernel("a"), kernel("b")], 3, () => time);
	expect(order.join("")).toBe("ababab");
});

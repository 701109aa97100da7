import * as fc from "fast-check";
import { expect, test } from "vitest";
import { descended } from "./quadratics.ts";
import { coefficientRule, CONTEXT, facts, Float64Server, worstError } from "./support.ts";

const STEPS = [2, 4, 8, 3];

/** Origin: scaffold-fednova-momentum-formula.json, first two dimensions of the first, second and fifth round. */
const FEDAVG = [
	[0.2862111531778249, -0.41899045411798475],
	[0.4362214497838338, -0.6479345292518802],
	[0.5776528953247582, -0.8787415576951303],
];
const FEDNOVA = [
	[0.20801603975075683, -0.294029032820687],
	[0.30584511716537277, -0.4526426194879224],
	[0.383667481498379, -0.6092633670773322],
];

test.each([
	["fedavg", FEDAVG],
	["fednova", FEDNOVA],
])("%s makes the models of its equations where clients make different numbers of steps", (name, expected) => {
	const server = new Float64Server([0, 0], { name }, { name: "sgd" });
	const found: number[][] = [];
	for (let round = 1; round <= 5; round++) {
		server.flush(
			STEPS.map((steps, client) => ({
				id: `up_${round}_${client}`,
				steps,
				values: server.update(descended(client, server.model, steps, 0.1)),
			})),
		);
		found.push([...server.model]);
	}
	[found[0]!, found[1]!, found[4]!].forEach((model, i) => expect(worstError(model, expected[i]!)).toBeLessThan(1e-12));
});

const weights = fc.array(fc.double({ min: 0.1, max: 1e4, noNaN: true }), { minLength: 1, maxLength: 12 });

test("with equal steps FedNova is FedAvg", () => {
	fc.assert(
		fc.property(
			weights,
			fc.integer({ min: 1, max: 1_000 }),
			fc.double({ min: 0, max: 0.9, noNaN: true }),
			(weights, steps, momentum) => {
				const updates = weights.map((weight, i) => facts({ id: `up_1_${i}`, weight, steps }));
				const nova = coefficientRule({ name: "fednova", client_momentum: momentum }).coefficients(
					updates,
					CONTEXT,
					null,
				);
				const avg = coefficientRule({ name: "fedavg" }).coefficients(updates, CONTEXT, null);
				expect(worstError(nova.updates, avg.updates)).toBeLessThan(1e-9);
			},
		),
	);
});

test("a claim of many steps counts as steps_max", () => {
	const rule = coefficientRule({ name: "fednova", steps_max: 100 });
	const of = (steps: number) =>
		rule.coefficients([facts({ id: "up_1_a", steps: 10 }), facts({ id: "up_1_b", steps })], CONTEXT, null).updates;
	expect(of(1e9)).toEqual(of(100));
	expect(of(100)).not.toEqual(of(99));
});

test("with momentum and with a proximal term, the steps are counted by the weights that they had", () => {
	// Direct sums of the weights of K = 5 local steps, instead of their closed forms.
	const momentum = 0.8;
	const byMomentum = [0, 1, 2, 3, 4].reduce((sum, k) => sum + (1 - momentum ** (5 - k)) / (1 - momentum), 0);
	const proximal = 0.1;
	const byProximal = [0, 1, 2, 3, 4].reduce((sum, k) => sum + (1 - proximal) ** k, 0);
	for (const [parameters, norm] of [
		[{ client_momentum: momentum }, byMomentum],
		[{ client_proximal: proximal }, byProximal],
	] as const) {
		// A client with one step has norm 1, so that c_1 / c_5 is the norm of the other.
		const updates = [facts({ id: "up_1_a", steps: 1 }), facts({ id: "up_1_b", steps: 5 })];
		const { updates: c } = coefficientRule({ name: "fednova", ...parameters }).coefficients(updates, CONTEXT, null);
		expect(c[0]! / c[1]!).toBeCloseTo(norm, 9);
	}
});

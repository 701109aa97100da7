import { describe, expect, test } from "vitest";
import { baselines, digits, evaluated, PARAMETERS, trained } from "./digits.ts";
import { hasGolden } from "./golden/full.ts";
import { Float64Server } from "./support.ts";

const ADAPTIVE = { preset: "flower", learning_rate: 0.1, tau: 0.01 };

/** Five rounds of ten clients, skewed by label, against a numpy program's. */
describe.skipIf(!hasGolden)("digits reach the accuracies and losses of the baselines", () => {
	test.each([
		["noniid_K10_lr0.5", "fedavg", { name: "fedavg" }, { name: "sgd" }],
		["noniid_K10_lr0.5", "fedavgm_0.9", { name: "fedavg" }, { name: "sgd", momentum: 0.9 }],
		["noniid_K10_lr0.5", "fedadagrad_eta0.1_tau1e-2", { name: "fedavg" }, { name: "adagrad", ...ADAPTIVE }],
		["noniid_K10_lr0.5", "fedyogi_eta0.1_b0.9_0.99_tau1e-2_v0=0", { name: "fedavg" }, { name: "yogi", ...ADAPTIVE }],
		["noniid_Khet_lr0.5", "fedavg", { name: "fedavg" }, { name: "sgd" }],
		["noniid_Khet_lr0.5", "fednova", { name: "fednova" }, { name: "sgd" }],
	])("%s, %s", (setting, name, rule, optimiser) => {
		const { test, train, clients } = digits();
		const table = baselines()[setting]!;
		const steps = (table["K"] as unknown as readonly number[] | undefined) ?? clients.map(() => 10);
		const server = new Float64Server(
			Array.from({ length: PARAMETERS }, () => 0),
			rule,
			optimiser,
		);
		for (let round = 1; round <= 5; round++) {
			server.flush(
				clients.map((samples, c) => ({
					id: `up_${round}_${c}`,
					weight: samples.length,
					steps: steps[c]!,
					values: server.update(trained(server.model, samples, steps[c]!, 0.5)),
				})),
			);
			const expected = table[name]![round];
			if (!expected) continue;
			expect(evaluated(server.model, test).accuracy).toBeCloseTo(expected[0], 5);
			expect(evaluated(server.model, train).loss).toBeCloseTo(expected[1], 6);
		}
	});
});

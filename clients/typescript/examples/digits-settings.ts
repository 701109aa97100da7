const SAME_STEPS = Array.from({ length: 10 }, () => 10);
const OWN_STEPS = [2, 20, 5, 10, 2, 30, 4, 8, 16, 3];
const ADAPTIVE = { learning_rate: 0.1, tau: 0.01, preset: "flower" };

export interface Setting {
	readonly name: string;
	/** Where the baseline stands. */
	readonly table: string;
	readonly specification: object;
	/** Local steps of each client. */
	readonly steps: readonly number[];
}

/** Of `digits-federated-baselines.json`, what the run's rules and optimisers do. */
export const SETTINGS: readonly Setting[] = [
	setting("fedavg", {}),
	setting("fedavgm_0.9", { server_optimiser: { name: "sgd", momentum: 0.9 } }),
	setting("fedadagrad_eta0.1_tau1e-2", { server_optimiser: { name: "adagrad", ...ADAPTIVE } }),
	// Adam of the paper with the run's own tau (1e-3): here the second moment starts at tau^2, in the baseline at 0, with a tau of 1e-2.
	// It was chosen by the accuracy on the test set, so its row flatters it.
	setting("fedadam_eta0.1_b0.9_0.99_tau1e-2_nobias", { server_optimiser: { name: "adam", learning_rate: 0.1 } }),
	setting("fedyogi_eta0.1_b0.9_0.99_tau1e-2_v0=0", { server_optimiser: { name: "yogi", ...ADAPTIVE } }),
	setting("fedavg", {}, OWN_STEPS),
	setting("fednova", { rule: { name: "fednova" } }, OWN_STEPS),
];

function setting(name: string, specification: object, steps = SAME_STEPS): Setting {
	return { name, table: steps === SAME_STEPS ? "noniid_K10_lr0.5" : "noniid_Khet_lr0.5", specification, steps };
}

import { expect, test } from "vitest";
import { newOperator } from "./federated-support.ts";

test("a round from creation to its version: the weighted mean is added to the weights", async () => {
	const operator = await newOperator();
	const run = await operator.startRun({ flush: { when: "count", count: 2 } }, Float32Array.of(1, 2, 3));
	expect([...(await operator.weights(run))]).toEqual([1, 2, 3]);
	const [a, b] = [await operator.join(run), await operator.join(run)];
	const first = await a.contribute(Float32Array.of(1, 1, 1), { examples: 3 });
	expect(first).toMatchObject({ status: 200, body: { state: "pending", round: 1, weight: 3 } });
	await b.contribute(Float32Array.of(-1, 0, 1), { examples: 1 });
	await operator.untilVersion(run, 1);
	expect([...(await operator.weights(run))]).toEqual([1.5, 2.75, 4]);
	const decided = await a.call("GET", `/updates/${first.body.id}`);
	expect(decided.body).toMatchObject({ state: "accepted", version: 1, round: 1 });
});

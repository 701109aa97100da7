import { median } from "../lib/statistics.ts";
import type { Contender } from "./contender.ts";
import { fault, type Expectation } from "./expectation.ts";
import type { Aim } from "./jobs.ts";
import type { LoadGenerator } from "./load-generator.ts";
import { expectationOf, type Load } from "./loads.ts";
import type { Measured, MeasuredContender, OpenMeasure, OpenRound } from "./rows.ts";

/** How much work goes into the figures. */
export interface Effort {
	/** Once for each contender and load, not counted. */
	readonly firstSeconds: number;
	readonly closedRounds: number;
	readonly closedWarmupSeconds: number;
	readonly closedSeconds: number;
	readonly openRounds: number;
	readonly openWarmupSeconds: number;
	readonly openSeconds: number;
}

export const FULL: Effort = {
	firstSeconds: 1,
	closedRounds: 7,
	closedWarmupSeconds: 0.3,
	closedSeconds: 1.7,
	openRounds: 5,
	openWarmupSeconds: 0.3,
	openSeconds: 2,
};

export const QUICK: Effort = {
	firstSeconds: 0.15,
	closedRounds: 2,
	closedWarmupSeconds: 0.05,
	closedSeconds: 0.35,
	openRounds: 1,
	openWarmupSeconds: 0.05,
	openSeconds: 0.35,
};

export const CONNECTIONS = 16;

export interface Bout {
	readonly generator: LoadGenerator;
	/** The first one is the pool itself. */
	readonly contenders: readonly Contender[];
	readonly effort: Effort;
	readonly seed: number;
	readonly say: (text: string) => void;
}

/** Puts one load on every contender: rounds at saturation, in which they take turns, then each at half of what it did. */
export async function measureLoad(load: Load, bout: Bout): Promise<Measured> {
	const { contenders, say } = bout;
	const [direct, ...gateways] = contenders as [Contender, ...Contender[]];
	const aims = await aimsAt(load, contenders);
	const rates = await saturate(load, aims, bout);
	const results: MeasuredContender[] = [result(direct, null)];
	for (const gateway of gateways) {
		say(`${load.title}: ${gateway.title} at half of its rate`);
		const rate = median(rates.get(gateway)!) / 2;
		results.push(result(gateway, await halfway(aims.get(direct)!, aims.get(gateway)!, rate, bout)));
	}
	return { load, contenders: results };

	function result(contender: Contender, open: OpenMeasure | null): MeasuredContender {
		return { id: contender.id, title: contender.title, perSecond: rates.get(contender)!, open };
	}
}

/** Asks everyone once: one answer from the pool itself says how long all answers have to be, and that everyone is there.
 *  Throws with what a contender answered instead. */
async function aimsAt(load: Load, contenders: readonly Contender[]): Promise<Map<Contender, Aim>> {
	const aims = new Map<Contender, Aim>();
	let expected: Expectation | null = null;
	for (const contender of contenders) {
		const { title, url, headers } = contender;
		const answer = await fetch(url, {
			method: "POST",
			headers: { ...headers, "content-type": "application/json" },
			body: load.body,
		});
		const body = Buffer.from(await answer.arrayBuffer());
		expected ??= expectationOf(load, body.byteLength);
		const problem = fault({ status: answer.status, bodyBytes: body.byteLength, tail: body.toString() }, expected);
		if (problem !== null)
			throw new Error(`${title} does not pass on the ${load.title} request: ${problem}\n${body.toString()}`);
		aims.set(contender, { title, url, headers, body: load.body, expected });
	}
	return aims;
}

async function saturate(
	load: Load,
	aims: ReadonlyMap<Contender, Aim>,
	{ generator, contenders, effort, say }: Bout,
): Promise<Map<Contender, number[]>> {
	const closed = { kind: "closed", connections: CONNECTIONS } as const;
	say(`${load.title}: warming up`);
	for (const aim of aims.values())
		await generator.run({ ...closed, ...aim, warmupSeconds: effort.firstSeconds, seconds: 0.05 });
	const rates = new Map<Contender, number[]>(contenders.map((each) => [each, []]));
	for (let round = 0; round < effort.closedRounds; round++) {
		say(`${load.title}: round ${round + 1} of ${effort.closedRounds}`);
		// Each round begins with another one: who comes after whom should not matter.
		const turn = round % contenders.length;
		for (const contender of [...contenders.slice(turn), ...contenders.slice(0, turn)]) {
			const { closedWarmupSeconds: warmupSeconds, closedSeconds: seconds } = effort;
			const { perSecond } = await generator.run({ ...closed, ...aims.get(contender)!, warmupSeconds, seconds });
			rates.get(contender)!.push(perSecond);
		}
	}
	return rates;
}

async function halfway(
	direct: Aim,
	gateway: Aim,
	rate: number,
	{ generator, effort, seed }: Bout,
): Promise<OpenMeasure> {
	const rounds: OpenRound[] = [];
	for (let round = 0; round < effort.openRounds; round++) {
		const { openWarmupSeconds: warmupSeconds, openSeconds: seconds } = effort;
		const schedule = { kind: "open", rate, warmupSeconds, seconds, seed: seed + round } as const;
		const { milliseconds: alone } = await generator.run({ ...direct, ...schedule });
		const { milliseconds: through } = await generator.run({ ...gateway, ...schedule });
		rounds.push({ through, direct: alone });
	}
	return { rate, rounds };
}

import { AGENT_FLEETS, CHAT_FLEETS, type Fleet, type ReplicaKind } from "./fleet.ts";
import { FULL } from "./plan.ts";
import { TRACES } from "./traces/load.ts";

const ORIGINS = Object.values(TRACES)
	.map(({ title, origin, file }) => `${title} (\`${file}\`): ${origin}`)
	.join("; ");

/** What a reader must know to judge the figures. */
export const COMPARED: readonly string[] = [
	`Three public traces, under \`--data\`. ${ORIGINS}. Blocks have 512 tokens; of the agentic sessions every eighth id of 64 tokens names one, ids mean something within a session only, and 210 sessions begin at random in an hour and a half of their own time. Prompts over 260,000 tokens are left out. The conversation trace is recorded in steps of 3 s, over which its arrivals are spread.`,
	`Fleets for the Mooncake traces: ${fleetText(CHAT_FLEETS)}. For the agentic sessions: ${fleetText(AGENT_FLEETS)}. Each machine is up to 10 % faster or slower than that, drawn by the seed.`,
	"A replica batches continuously as vLLM does: in each step all that decode get one token, prompts fill the rest of the step's tokens first come, first served; a sequence begins when there is KV memory for its prompt and its whole answer; computed blocks are found by later prompts, and the least recently used are given up first.",
	"A load of 100 % is the speed of replay at which the busiest quarter of the trace's time keeps the whole fleet busy when each conversation stays on one replica, as many as the replica is fast, and the work is counted as if it could be shared out evenly. TTFT is from the arrival at the edge to the first token. Goodput is requests a second with a TTFT within 2 s; $ per million tokens is the price of the whole fleet over the tokens of those requests.",
	`Isobar is the production scheduler core with the production mailbox and fallback, told of first tokens and ends as by an isolate; it knows GPU types and prices from the catalog and learns rates from answers. The others are re-implemented from their documents, and get more than they have in practice: loads without delay, the true KV capacity, SMG the true rates, Dynamo all cache events at once. Everything that can be set (of Isobar the key's TTFT goal and harm weight) is tuned to the least mean TTFT on the first half of a trace, by time, or of the sessions, by number, and judged on the second; ${FULL.tuningSeeds} seeds for tuning and ${FULL.seeds} for judging, each of which draws the machines, 85 % of the conversations or the sessions, and whatever is random in a router.`,
	"A ratio is the geometric mean over the seeds of the other's figure over Isobar's (of goodput: Isobar's over the other's), with the 95 % interval of Student's t. The targets take the best other router of each setting by the figure in question. The limit is all replicas as one with a cache that never forgets.",
	"At 70 % also: 1 to 64 edge places, each with its own round trip to the scheduler object between 1 and 150 ms (calls vary by 20 %, and one in a hundred takes five times as long), the deadline of 250 ms and then the fallback, mail after 50 ms and half a round trip; with the fallback alone; with the object divided into 2 to 16 shards by conversations, which tell one another their load once a second (beside the row of 16 places); with the object gone for 60 s after three quarters of the time, back with its stored index and what it has learned, without what is in flight; with a catalog that makes KV memories ten times too small or too large; and with every replica losing its cache once, one after the other, which only Dynamo is told.",
];

export const NOT_MODELLED: readonly string[] = [
	"Clients that wait: requests arrive when the trace says, sped up or slowed down, however late the answer to the one before; a coding agent would send its next turn later.",
	"Blocks of the answers: the traces do not name them, so a next turn computes the last answer anew on every replica.",
	"Attention that grows with the prompt's length, preemption, failures, the network between edge and replicas, tiers of cache beside GPU memory.",
	"How many tokens a prompt has is known to every router; Isobar estimates it from bytes that are four a token.",
];

function fleetText(fleets: readonly Fleet[]): string {
	return fleets
		.map(({ id, replicas }) => {
			const kinds = [...Map.groupBy(replicas, (kind) => kind)];
			return `${id}: ${kinds.map(([kind, members]) => `${members.length} of ${kindText(kind)}`).join(" and ")}`;
		})
		.join("; ");
}

function kindText({ gpu, usdPerHour, engine }: ReplicaKind): string {
	const { prefillTokensPerSecond, stepSeconds, stepSecondsPerSequence, stepSecondsPerContextToken } = engine;
	const { stepTokens, runningMax, kvBlocks } = engine;
	const step = `${ms(stepSeconds)} + ${ms(stepSecondsPerSequence)} a sequence + ${(stepSecondsPerContextToken * 1e9).toFixed(0)} ns a token of context`;
	return `${gpu} ($${usdPerHour} an hour; prefill ${prefillTokensPerSecond} tokens/s, a step ${step}, ${stepTokens} tokens a step, ${runningMax} sequences, ${kvBlocks} blocks)`;
}

function ms(seconds: number): string {
	return `${Number((seconds * 1_000).toPrecision(3))} ms`;
}

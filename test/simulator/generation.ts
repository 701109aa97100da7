import type { AnswerText } from "./answer-text.ts";
import { planChoice, tokenIdOf, type Choice } from "./choice.ts";
import type { Sequence } from "./engine.ts";
import type { Exchange } from "./exchange.ts";
import { usageJson, type Format, type Rendering, type Usage } from "./format.ts";
import type { GenerationRequest } from "./generation-request.ts";
import type { Settings } from "./options.ts";
import type { Pacer } from "./pacer.ts";
import { chainOf } from "./prompt.ts";
import type { ServedModel } from "./served-model.ts";

export interface Generation {
	readonly request: GenerationRequest;
	readonly format: Format;
	readonly rendering: Rendering;
	readonly exchange: Exchange;
	readonly served: ServedModel;
	readonly settings: Settings;
	readonly text: AnswerText;
}

/** Answers a generation request that is known to be good, at the pace of the engine. */
export function generate(generation: Generation): void {
	const { request, served, settings, text } = generation;
	const choices: Choice[] = [];
	for (const prompt of request.prompts) {
		const room = settings.contextLength - prompt.tokens;
		for (let i = 0; i < request.n; i++)
			choices.push(
				planChoice(request, prompt, choices.length, { text, room, median: settings.outputTokens, says: settings.says }),
			);
	}
	const answer = new Answer(generation, choices);
	if (served.pacer) compute(generation, choices, answer, served.pacer);
	else answerAtOnce(generation, choices, answer);
}

function answerAtOnce({ request, served }: Generation, choices: readonly Choice[], answer: Answer): void {
	const { counters } = served;
	for (const prompt of request.prompts) counters.promptTokens += prompt.tokens;
	counters.ttft.observe(0);
	for (const choice of choices) {
		counters.generationTokens += choice.tokens;
		counters.finished[finishOf(choice)]++;
	}
	answer.open();
	if (request.stream) {
		const longest = choices.reduce((most, { tokens }) => Math.max(most, tokens), 0);
		for (let i = 0; i < longest; i++) for (const choice of choices) if (i < choice.tokens) answer.token(choice, i);
	}
	answer.close(0);
}

/** Puts a sequence for each choice into the engine; they share their prompt's blocks. */
function compute(generation: Generation, choices: readonly Choice[], answer: Answer, pacer: Pacer): void {
	const { request, served, exchange } = generation;
	const { engine } = served;
	pacer.catchUp();
	answer.open();
	if (exchange.over) return;
	const { now } = pacer;
	const sequences: Sequence[] = [];
	let left = choices.length;
	let cachedTokens = 0;
	for (const [p, prompt] of request.prompts.entries()) {
		const chain = chainOf(prompt, request.cacheSalt, engine.recordsTokens);
		for (let i = 0; i < request.n; i++) {
			const choice = choices[p * request.n + i]!;
			const input = {
				chain: i === request.n - 1 ? chain : chain.fork(),
				promptTokens: prompt.tokens,
				outputTokens: choice.tokens,
				finish: finishOf(choice),
				outputId: (index: number) => tokenIdOf(choice, index),
				...(request.stream && { onToken: (index: number) => answer.token(choice, index) }),
				onEnd: (sequence: Sequence) => {
					if (i === 0) cachedTokens += sequence.cachedTokens ?? 0;
					if (--left === 0) answer.close(cachedTokens);
				},
			};
			sequences.push(engine.submit(input, now));
		}
	}
	exchange.onGone(() => {
		pacer.catchUp();
		for (const sequence of sequences) engine.abort(sequence);
	});
	pacer.kick(now);
}

function finishOf(choice: Choice): "stop" | "length" {
	return choice.finish === "length" ? "length" : "stop";
}

/** Writes the choices as they come, plain or as a stream. */
class Answer {
	readonly #generation: Generation;
	readonly #choices: readonly Choice[];
	readonly #head: string;
	readonly #promptTokens: number;
	#opened = false;

	constructor(generation: Generation, choices: readonly Choice[]) {
		this.#generation = generation;
		this.#choices = choices;
		this.#head = generation.request.stream ? generation.format.chunkHead(generation.rendering) : "";
		this.#promptTokens = generation.request.prompts.reduce((sum, prompt) => sum + prompt.tokens, 0);
	}

	open(): void {
		const { request, exchange } = this.#generation;
		if (request.stream) exchange.openStream();
		else exchange.hangs("body", "application/json");
	}

	token(choice: Choice, i: number): void {
		const { format, rendering, exchange } = this.#generation;
		if (!this.#opened) {
			this.#opened = true;
			for (const each of this.#choices) {
				const opening = format.opening(each);
				if (opening) exchange.event(`${this.#head}${opening}${this.#running(0)}}`);
			}
		}
		exchange.event(`${this.#head}${format.token(rendering, choice, i)}${this.#running(i + 1)}}`);
	}

	close(cachedTokens: number): void {
		const { request, format, rendering, exchange, settings } = this.#generation;
		const completionTokens = this.#choices.reduce((sum, { tokens }) => sum + tokens, 0);
		const usage: Usage = {
			promptTokens: this.#promptTokens,
			completionTokens,
			cachedTokens: settings.reportCachedTokens ? cachedTokens : null,
		};
		const isHidden = exchange.plan?.no_usage !== undefined;
		if (exchange.over) return;
		if (!request.stream) {
			exchange.json(format.body(rendering, this.#choices, isHidden ? null : usage));
			return;
		}
		if (request.includeUsage && !isHidden) exchange.event(`${this.#head}[],"usage":${usageJson(usage)}}`);
		exchange.endStream();
	}

	/** With `continuous_usage_stats` each chunk says what its choice has used so far. */
	#running(completionTokens: number): string {
		if (!this.#generation.request.continuousUsage) return "";
		return `,"usage":${usageJson({ promptTokens: this.#promptTokens, completionTokens, cachedTokens: null })}`;
	}
}

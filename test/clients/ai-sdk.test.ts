import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, embedMany, generateText, jsonSchema, streamText, tool, type ToolSet } from "ai";
import { describe, expect, it } from "vitest";
import { CHAT_MODEL, EMBEDDING_MODEL } from "../support/small-catalog.ts";
import { MARK, startTestGateway } from "./helpers/test-gateway.ts";

const gateway = await startTestGateway();

function provider(apiKey: string) {
	return createOpenAICompatible({ name: "isobar", baseURL: gateway.baseURL, apiKey, includeUsage: true });
}

const isobar = provider(gateway.key);
const model = isobar.chatModel(CHAT_MODEL);
const prompt = `${MARK}: why is the sky blue?`;

describe("the AI SDK with its OpenAI-compatible provider", () => {
	it("generateText", async () => {
		const { text, finishReason, usage, response } = await generateText({ model, prompt });
		expect(text).toMatch(/^This is a simulated answer/);
		expect(finishReason).toBe("stop");
		expect(usage.outputTokens).toBeGreaterThan(0);
		expect(response.headers!["x-isobar-pool"]).toBe("cheap");
	});

	it("streamText, with the usage that it asks for", async () => {
		const answer = streamText({ model, prompt });
		let text = "";
		for await (const delta of answer.textStream) text += delta;
		expect(text).toMatch(/^This is a simulated answer/);
		expect(await answer.finishReason).toBe("stop");
		expect((await answer.usage).outputTokens).toBeGreaterThan(0);
	});

	it("calls a tool, plain and streamed", async () => {
		const inputSchema = jsonSchema<{ city: string }>({
			type: "object",
			properties: { city: { type: "string" } },
			required: ["city"],
		});
		const asked = {
			model,
			prompt,
			// The SDK's own types do not bear `exactOptionalPropertyTypes`.
			tools: { weather: tool({ description: "The weather in a city.", inputSchema }) } as unknown as ToolSet,
			toolChoice: "required" as const,
		};
		const whole = await generateText(asked);
		expect(whole.toolCalls).toMatchObject([{ toolName: "weather", input: { city: expect.any(String) } }]);
		const streamed = streamText(asked);
		await streamed.consumeStream();
		expect(await streamed.toolCalls).toMatchObject([{ toolName: "weather", input: { city: expect.any(String) } }]);
	});

	it("embed and embedMany", async () => {
		const embeddings = isobar.embeddingModel(EMBEDDING_MODEL);
		const one = await embed({ model: embeddings, value: MARK });
		expect(Math.hypot(...one.embedding)).toBeCloseTo(1, 3);
		const many = await embedMany({ model: embeddings, values: [MARK, "another"] });
		expect(many.embeddings).toHaveLength(2);
		expect(many.embeddings[0]).toEqual(one.embedding);
	});

	it("gives our errors as its own", async () => {
		const wrong = await generateText({ model: provider("isobar_wrong").chatModel(CHAT_MODEL), prompt }).catch(
			(thrown: unknown) => thrown,
		);
		expect(wrong).toBeInstanceOf(APICallError);
		expect(wrong).toMatchObject({ statusCode: 401, isRetryable: false });
		const unknown = await generateText({ model: isobar.chatModel("test-modle"), prompt }).catch(
			(thrown: unknown) => thrown,
		);
		expect(unknown).toMatchObject({ statusCode: 404, message: expect.stringContaining(CHAT_MODEL) });
	});
});

//! Which words say what is wanted, in the languages that people ask in.
//!
//! One [table](table::Table) from the hash of a lower-case word (or of its first four to seven letters, written with a star) to
//! a class. It refuses to know phrases: order and neighbourhood are the n-grams' business.

mod table;

pub(super) use table::{Class, HASH_START, STEMS, Table, hash_step, word_key};

use super::counter::Counter;

/// What a list of words stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    /// They count for this counter.
    Counts(Counter),
    /// Everyday words: say that this is language, nothing else.
    Common,
    /// Say how easy the sender finds it, or are mere politeness. They must not move a decision, so they are not counted.
    Ignored,
}

/// Words of each class; `stem*` matches longer words, the stem has 4 to 7 letters.
const LISTS: &[(Says, &str)] = &[
    (
        Says::Counts(Counter::Fact),
        "who when where which whose whom wer wann wo welche welcher welches wem qui quand où quel quelle quels quelles lequel quién cuándo dónde cuál cuáles quem quando onde qual chi dove quale кто когда где какой какая какие какое сколько 谁 哪里 哪个 哪些 什么 几个 多少 誰 いつ どこ どの من متى أين كم कौन कब कहाँ कितने कितना wieviel wieviele combien cuántos cuántas cuánto quantos quanto quanti name* founder inventor capital author year is-it ile jaka jaki kim ne nerede kaç 언제 누구 어디 몇 hoeveel waar wanneer gdzie kto kiedy",
    ),
    (
        Says::Counts(Counter::What),
        "what what's whats was que qué o cosa quoi что 什么 何 何で なに ماذا ما क्या define defin* meaning mean means bedeutet bedeutung signifie significa значит 意味 是什",
    ),
    (
        Says::Counts(Counter::How),
        "how wie comment cómo como come как 怎么 如何 どう كيف कैसे howto hoe nasıl 어떻 jak làm",
    ),
    (
        Says::Counts(Counter::Why),
        "why explain explai* reason warum wieso weshalb erkläre erklär* pourquoi expliqu* explica* explique porqué perché spiega* spiegami почему зачем объясни объясн* 为什 解释 说明 なぜ 説明 لماذا اشرح क्यों समझाइए समझा* elaborate describe descri* beschre* décris difference differ* unterschied различ* 区别 違い waarom neden 왜 dlaczego sao",
    ),
    (
        Says::Counts(Counter::Summarise),
        "summary summari* tldr tl;dr condense abstract gist recap digest synopsis zusammen fasse zusammenzufassen résume résumé résumer resumen resumo resumir riassun* кратко изложи* резюме суммир* 总结 概括 摘要 要約 まと ملخص لخص सारांश tl dr nutshell shorten abridged boil compress outline synthesis kurzfassung kernaus* ergebni* stichpu* synthèse tópicos streszc* podsumu* samenva* vat özet özetle 요약 要点 缩写 главное выдели cliffsn* 핵심 الخلاصة zusammenfassung zusammenfassen fass takeaways",
    ),
    (
        Says::Counts(Counter::Extract),
        "extract extrac* pull parse parsing list out fields field values entities entity mentioned mention* liste extrahi* extrais extraire extrae extraer extraia estrai извлек* выпиши найди* 提取 抽取 列出 抜き 抽出 استخرج निकालें निकाल* convert csv columns collect identify timeline fill scrape total datum montant grab names dates prices numbers urls amounts ingredi* triples glossary normali* flatten key-value nenne zieh wandle haal 뽑아 추출 整理 列挙 выпиш* données noms placeholders saca sors-moi dime props",
    ),
    (
        Says::Counts(Counter::Classify),
        "classify classif* label labels categor* sentiment positive negative neutral spam topic tag moderate klassif* einordn* kategor* stimmung classe* clasifi* определ* тональн* класси* отнеси 分类 判断 情感 分類 صنف صنّف वर्गीकृत true false yes no rate rating score scoring rank intent urgent valid invalid sarcas* plausible implausible offensive toxic hateful rubric либо sort assign or-not judge grade grader graded priority category bucket formal informal fact-or facts-or polarity polarit* opinión olumlu olumsuz positiv negativ positif négatif neutre positivo negativo neutro positiva 正面 负面 中性 哪一 属于 ポジ ネガ إيجابي سلبي सकारात* 긍정 부정 detect duplicates entailm* contrad* supported refuted clickbait phishing ham satire ordne zuordnen stelle emotion tone relevant verdict pass fail moderat* flag detecta spamver*",
    ),
    (
        Says::Counts(Counter::Translate),
        "translate transla* überset* übersetze traduis tradui* traduc* traduce traduza traduz* tradu* traduire переве* перевед* перевести 翻译 译成 翻譯 訳し 翻訳 ترجم ترجمة अनुवाद localize localise render auf ins tłumacz przetłu* vertaal çevir çevirin dịch 번역 перекла* traduci* tradução traduction traducción übertr* subtitles back-tr* literally rendering romaji pinyin 英文 译 怎么 訳 bersetz* 日语",
    ),
    (
        Says::Counts(Counter::Compose),
        "write draft compose create generate brainstorm invent produce wrote writing schreib* schreibe verfass* entwirf écris écri* rédige rédig* escrib* escribe escreva escrev* redact* scrivi напиши напис* сочини придумай составь 写 写一 写信 撰写 作成 書い 書く اكتب लिखो लिखें लिखिए give make craft pitch schreiben dichte erstelle erfinde dichten trouve crée créer crea cria invente inventa redacte redige yaz yazın napisz viết 써 써줘 작성 スロ 想 拟 expand alternatives come",
    ),
    (
        Says::Counts(Counter::Prose),
        "poem story essay email e-mail mail letter speech song lyrics tweet blog post article haiku limerick slogan tagline headline title titles names novel chapter scene dialogue script caption toast joke jokes invitation obituary sonnet villanelle verse rhyme brief* gedicht geschichte brief aufsatz rede lettre poème histoire discours conte courriel correo carta cuento poema historia discurso conto письмо рассказ стих* стихотв* речь сказк* 诗 信 故事 文章 作文 邮件 手紙 小説 物語 詩 メー رسالة قصيدة قصة कहानी कविता पत्र ईमेल press release newsletter bio cover resume cv testimonial product* advert advertisement ad ads announcement message paragraph reply eulogy wedding birthday satire parody pastiche absage einladung landing podcast names* flashcards quiz lesson monologue prompt midjourney rap sketch vierzeiler geburts* kurzges* gedichte nachricht karte legende scène stanza paragra* sentences complaint terms wechat 朋友 祝福 店名 标题 短歌 俳句 축사 편지 이메 시 metin wiersz list* thơ obituaries 公告 文案 vision",
    ),
    (
        Says::Counts(Counter::Rework),
        "rewrite rephrase paraph* reword proofread grammar edit polish shorten revise restructure rework correct politely formal informal professional tone style fluent friendlier improve umschre* umformu* formuli* korrig* korrigi* corrige corrig* reformu* reescr* перепиши перефр* исправь 改写 润色 修改 言い 添削 أعد सुधारें concise freundl* höflicher verbessere verbess* mejora melhore migliora third person punctuation rhyme simpler smoother 更正 語気 语气 丁寧 popraw düzelt redraft reword*",
    ),
    (
        Says::Counts(Counter::Code),
        "code coding program* function script class method api endpoint database query regex algorithm implement impleme* refactor debug* compile compiler compila* snippet library framework module package import variable loop array recursion backend frontend server client schema migrat* deploy docker* unit tests test testing component hook async await thread* mutex pointer struct enum interface repo reposit* commit branch merge pull formula macro spreadsheet config yaml stack overflow runtime cli command shell terminal cron pipeline workflow module* resolver middleware controller webhook endpoin* parser iterator programm funktion skript abfrage código función programa програм* функци* код скрипт 代码 函数 程序 编程 算法 脚本 コー 関数 プロ スク كود برمجة दालة कोड फ़ंक्शन impléme* idempot* vectorise vectorize undefined makefile css sketch sheets formula* excel-f* loops dict dictionary division cors flexbox div useeffect compone* macro* output print prints printed debounce one-liner oneliner 代碼 코드 설정 変数 kod koda",
    ),
    (
        Says::Counts(Counter::ProgLang),
        "python javascript typescript java c++ cpp c# csharp golang rust ruby php swift kotlin scala perl haskell sql postgres postgresql mysql sqlite mongodb redis html css react angular vue svelte nextjs node nodejs django flask fastapi spring laravel rails bash zsh powershell git github gitlab terraform ansible kubernetes k8s kubectl helm aws azure gcp linux nginx numpy pandas pytorch tensorflow sklearn matplotlib excel vba vlookup latex matlab julia lua dart flutter unity jest pytest vitest npm pnpm yarn cargo pip webpack graphql grpc kafka spark airflow chmod grep awk sed jq curl ffmpeg tailwind dotnet .net asp solidity verilog vhdl assembly cuda opencl oauth jwt tls http https",
    ),
    (
        Says::Counts(Counter::Bug),
        "error errors exception traceb* bug bugs fix fails failing failed failure crash crashes crash* segfault panic undefined warning warnings broken stuck leak deadlock timeout flaky regress* fehler absturz erreur plante error* fallo falla ошибк* падает сбой 错误 报错 崩溃 异常 エラ バグ خطأ त्रुटि doesn't doesnt won't slow",
    ),
    (
        Says::Counts(Counter::NatLang),
        "english german french spanish portuguese italian russian chinese japanese korean arabic hindi dutch polish turkish thai vietnamese swedish greek hebrew latin ukrainian czech mandarin cantonese bengali tamil urdu indonesian deutsch deutsche englisch englische französ* spanisch italienisch anglais allemand espagnol français portugais inglés alemán francés español portugu* italiano inglês alemão английс* немецк* француз* русский русского 英文 英语 中文 日语 法语 德语 英語 日本 中国 إنجليزية الإنجليزية العربية अंग्रेज़ी हिंदी हिन्दी inglese tedesco francese spagnolo italien* niederl* engels duits frans spaans angielski niemiecki ingilizce almanca türkçe tiếng anh 영어 일본 중국 swahili finnish danish estonian yiddish norwegian hungarian romanian bulgarian serbian croatian persian farsi welsh irish catalan basque filipino tagalog malay en es de fr sv pl українс* англійс* німецьк* 法文 日文 法国",
    ),
    (
        Says::Counts(Counter::MathVerb),
        "compute comput* calculate calcula* solve solving evaluate find determine derive simplify maximize maximise minimize minimise integrate differentiate estimate expand factor factorize count approximate optimize berechne bereche* rechne löse bestimme ermittle calcule calculer résoudre résous trouver trouvez calcul* halla hallar encuentra resuelve resolver determina вычисли* найдите найти реши решите посчитай 计算 求 求解 求出 解方 計算 求め احسب أوجد हल गणना maximis* minimis* converge diverge kaç berekenen 구하 oblicz hesapla tính montrez ways many chance average",
    ),
    (
        Says::Counts(Counter::MathNoun),
        "integral derivative equation equations polynomial matrix eigenva* vector probability expected expectation variance distribution combinatorial permuta* combina* triangle circle angle perimeter area volume radius polygon parabola quadrilateral sequence series sum product remainder modulo prime primes divisor divisors divisible integer integers real roots root logarithm sine cosine tangent theorem limit inequality bijection graph vertex vertices edges coefficient degree ratio fraction percent interest mean median dice coin coins cube sphere gleichung ableitung wahrsch* dreieck zinsen équation dérivée intégrale probab* triángulo ecuación уравнен* интегра* вероятн* треугол* 方程 积分 概率 函数 矩阵 三角 数列 不等 確率 معادلة تكامل समीकरण प्रायिकता hypoten* arithmetic geometric binomial bayes posterior prior hyperge* factorial congruent algebra calculus circonf* périmètre moyenne média durchsc* umfang diagonale diagonal 평균 확률 円 周长 面积 average speed km/h round percentage sequences 相遇 速 средн*",
    ),
    (
        Says::Counts(Counter::Rigor),
        "prove proof proofs show theorem lemma corollary contradiction induction iff axiom axioms conjecture refute disprove rigorous rigorously beweise beweis zeige beweis* démontr* démontre montrer prouver prouve demuestra demost* demostrar prove* доказать докажите доказ* докажи верно 证明 証明 أثبت सिद्ध decidable satisfiable consistent necessary sufficient",
    ),
    (
        Says::Counts(Counter::Puzzle),
        "houses house puzzle riddle clue clues knight knights knave knaves liar liars truth-teller weighings weighing balance lives owner neighbor neighbour immediately directly somewhere position positions leftmost rightmost left right next seat seats row rätsel acertijo énigme загадк* 谜题 推理 パズ adjacent between sits seated taller older younger oldest finished",
    ),
    (
        Says::Counts(Counter::Logic),
        "if then each every exactly either neither nor only unless whenever implies therefore premise premises premisses conclusion deduce infer entails assume suppose given wenn falls jeder genau si chaque alors cada entonces если каждый ровно тогда 如果 每个 则 恰好 もし إذا यदि प्रत्येक all some none",
    ),
    (
        Says::Counts(Counter::Constraint),
        "must without least most maximum minimum exactly only never always avoid cannot can't should shall required requirement constraint constraints limit under within at between don't dont no not ohne mindestens höchstens muss müssen sans moins plus doit sin menos máximo debe sem deve без должен нельзя максимум 必须 不要 至少 不能 最多 不超 ただ 必ず بدون يجب बिना",
    ),
    (
        Says::Counts(Counter::Steps),
        "step steps first second third then next finally after before until again afterwards while schritt schritte zuerst dann étape étapes ensuite paso pasos luego passo шаг шаги затем 步骤 然后 首先 最后 手順 まず خطوة चरण",
    ),
    (
        Says::Counts(Counter::Compare),
        "compare comparison contrast versus vs evaluate critique critically assess analyze analyse analysis analyz* analys* argue argument arguments pros cons trade-offs tradeoff tradeoffs review interpret implications judge verglei* bewert* analysi* compar* comparer analise* анализ* сравни сравн* оцени 比较 分析 评价 比較 評価 قارن حلل तुलना विश्लेषण hypothesis hypotheses evidence root-cause diagnose weaknes* strengt* changed",
    ),
    (
        Says::Counts(Counter::Plan),
        "plan plans planning strategy strategic schedule roadmap design archite* architecture proposal decide decision budget allocate priorit* itinerary organize organise plane plan* stratégie planif* entwurf стратег* план 计划 方案 策略 计画 خطة योजना feasible timetable shifts assign route",
    ),
    (
        Says::Counts(Counter::Depth),
        "nuance nuanced subtle ambiguous ambiguity implication trade-off underlying mechanism mechanisms rationale assumptions caveats limitations counterargument objection objections consequences context historiography controversial debate precise precisely sense meaning voice rhythm irony constraints security edge cases guarantee guarantees robust scalable production concurrency consistency compliance regulations clinical contract contractual distinguish separate justify preserve disagree faithful policy both sides strongest under except unless literary tone",
    ),
    (
        Says::Counts(Counter::Brief),
        "briefly short one-line one-liner oneliner sentence word words-only two-line line letter kurz kurze kurzen bref courte breve corto corta кратк* коротк* одним 简短 一句 短く 一言 باختصار संक्षेप few max",
    ),
    (
        Says::Counts(Counter::LengthAsked),
        "words paragraphs pages sentences lines characters page wörter absätze seiten mots phrases palabras párrafos palavras слов абзац* 字 字以 段 文字 كلمة शब्द chapters stanza stanzas",
    ),
    (
        Says::Counts(Counter::Format),
        "json table csv xml yaml markdown html bullet bullets list format column columns array tabelle liste tableau tabla lista таблиц* список 表格 列表 格式 表 جدول तालिका schema keys template outline",
    ),
    (
        Says::Counts(Counter::Greeting),
        "hi hello hey thanks thank thx ok okay bye goodbye morning evening yo sup lol haha hallo danke tschüss moin bonjour salut merci coucou hola gracias buenas oi olá obrigado ciao grazie привет спасибо здравст* пока 你好 谢谢 您好 嗨 こん あり مرحبا شكرا नमस्ते धन्यवाद cheers halo selam cześć 안녕 bonsoir buongio* gute* good-ni* おは привіт namaste merhaba perfect cool nice great continue weiter continúa продолж* 继续 続け",
    ),
    (
        Says::Counts(Counter::Persona),
        "pretend roleplay role-play act acting character persona imagine imagin* you'll rpg dungeon narrator game play simulate spiel rolle rôle juega personaje представь роль играть 扮演 角色 假装 游戏 ロー 演じ تخيل भूमिका stay let's lets wizard pirate captain you-are be stell spielen jouons jouer juguemos adivina* 陪我 聊聊 接龙 しり 놀자 finge fais debate adventure hangman trivia riddle truth dare roleplays interview partner",
    ),
    (
        Says::Counts(Counter::You),
        "you your you're yourself are dich du dein sie vous tu ton te tú usted você ты вы твой 你 你是 您 あな أنت आप तुम chatgpt gpt claude assistant bot ai repeat your-name 你叫 tools browse feelings who",
    ),
    (
        Says::Counts(Counter::Health),
        "doctor patient patients medication dose mg symptoms symptom diagnosis diagnos* treatment disease cancer pregnancy pregnant allergy pain fever blood surgery hospital therapy prescribed tablets clinical arzt patient* kranken* schmerz* medikam* médecin malade médico síntomas врач* болезн* лекарст* 医生 症状 治疗 患者 医者 薬 طبيب डॉक्टर दवा lisinopril ibuprofen diabetes insulin asthma vaccine ecg",
    ),
    (
        Says::Counts(Counter::Law),
        "law legal contract clause lawyer court liability tenant landlord lawsuit statute gdpr copyright patent deduct tax taxes visa regulation plaintiff defendant litigation merger anwalt vertrag gesetz* miet* gericht avocat contrat loi ley abogado contrato advogado закон* договор* суд 法律 合同 律师 法院 契約 قانون عقد कानून rent dismissal inheritance",
    ),
    (
        Says::Counts(Counter::Money),
        "price cost costs revenue profit margin invest investment loan mortgage salary budget dollars euros eur usd stock stocks shares market inflation rate interest funding valuation cash kredit geld euro prix coût argent dinero precio préstamo деньги кредит* цена 价格 成本 利润 投资 价 お金 価格 مال कीमत demand supply firm firms",
    ),
    (
        Says::Counts(Counter::Science),
        "velocity acceleration force mass energy momentum friction gravity current voltage resistor circuit electron photon molecule molar mole moles acid base titration reaction equilibrium enthalpy entropy temperature pressure gas liquid solution wavelength frequency quantum protein dna rna cell cells enzyme species organism geschwi* masse energie vitesse énergie fuerza energía скорост* масса энерги* 速度 质量 能量 温度 エネ قوة बल heat capacitor lens beam stress boiling melting density reactor pump kinetic orbital isotope nucleus plasma",
    ),
    (
        Says::Counts(Counter::Contest),
        "integers array subarray substring subsequence string queries nodes edges grid constraints input output stdin stdout testcases testcase modulo modulus permutation palindr* lexicog* inclusive operation operations palindrome bitwise xor n m k q tree path shortest knapsack dp greedy queue tournament 10^5 10^9 10^6 10^18 indices index",
    ),
    (
        Says::Counts(Counter::Unit),
        "kg km cm mm meter meters metre metres m/s mph kmh km/h seconds minutes hours hour liter litre liters litres degrees celsius fahrenheit kelvin joules watts newton pascal volt volts amps ohm hz mol atm psi ft feet inch inches lb lbs gallons days weeks months years l/min g/mol stunden minuten heures minutos horas часов минут 小时 公里 米 千克 時間 ساعة घंटे",
    ),
    (
        Says::Counts(Counter::Negation),
        "not no never none don't doesn't isn't aren't cannot can't won't nicht kein keine pas jamais ne nunca não нет не никогда 不 没有 不是 ない ませ لا ليس नहीं मत",
    ),
    (
        Says::Counts(Counter::Attached),
        "below above following attached passage text document transcript article excerpt this these here given paragraph folgend* folgende unten suivant suivante ci-dessous siguiente abaixo seguinte следующ* ниже 下面 以下 上述 这段 次の 下記 التالي निम्नलि* निम्न notes thread log logs data dataset review quote headline",
    ),
    (
        Says::Counts(Counter::Opinion),
        "should recommend recomme* suggest advice best better worth prefer choose choice opinion think idea ideas tips soll sollte empfehl* tipps conseil* recomi* recomen* consejo* compens* совет* посовет* лучше 推荐 建议 应该 最好 おす べき أفضل नصيحة सलाह safe",
    ),
    (
        Says::Common,
        "the a an of to in on for with and or is are was were be been it its as at by from that this have has had do does did i me my we our us he she they them his her their will would can could may might there than so but about into over also just more most other such one two three when what's i'm i'd i've let's get got go going want need like know see say said use used using make made new time way day people between because both der die das ein eine einen einem und oder ist sind den dem des mit von zu für auf nicht es ich wir sie er ihr sich auch bei nach wie am im zum zur le la les un une du de et ou est sont dans pour avec sur je nous il elle ils ce cette ces se au aux par el los las una y son en con por para lo su al del o os um uma e em no na da com não di gli che è per della и в на не что с по из у за к от для это как мы я он она они его её их мой но или бы же ли до при а 的 是 在 了 和 有 我 我们 这 个 一 他 她 请 吗 把 の は が を に で と も です ます した から まで في من على إلى هذا هذه أن هل و التي का की के है हैं में से को और पर यह",
    ),
    (
        Says::Ignored,
        "simple simply easy easily trivial trivially basic quick quickly straightforward elementary please kindly bitte por favor s'il plaît пожалуйста cheap cheapest cheaper nano tier router hard harder hardest difficult complex complicated advanced expert genius challenging tough tricky impossible routine minor complexity difficulty einfach einfache leicht schwer schwierig facile difficile fácil difícil просто легко сложно 简单 容易 困难 複雑 簡単 سهل आसान",
    ),
];

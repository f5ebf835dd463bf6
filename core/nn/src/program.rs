//! The whole plan of a forward pass: a network description lowered to steps over one arena of floats, and the walk through them.
//!
//! Lowering, in order: fuse what can be fused ([`operations`]), choose every value's border and place ([`place`]), pack the weights for the
//! processor ([`step`]). Values lie channels-last; a value's place is reused when nobody reads it any more.

use crate::kernels::conv::{Conv, Weights};
use crate::kernels::depthwise::{Depthwise, Parts};
use crate::kernels::int8::conv::Conv8;
use crate::kernels::int8::depthwise::Depthwise8;
use crate::kernels::int8::{self, Ends, Quant, Spread, convert};
use crate::kernels::pointwise::{self, Grouped};
use crate::kernels::{Epilogue, Layout, SMALL_PLANE};
use crate::memory::Floats;
use crate::simd::int8::{self as simd8, Generic8, Isa8, Simd8};
use crate::simd::{Generic, Isa, Simd, dispatch};
use crate::threads::Crew;
use crate::{Activation, NetworkError, Node, Plan, Precision};
use candle_core::{CpuStorage, CustomOp1, Shape};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Weights by name: shape and values.
pub(crate) type Named = HashMap<String, (Vec<usize>, Vec<f32>)>;

/// Pixels in a block: a whole number of tiles, small enough that a block of the widest layers stays in the first-level cache.
const BLOCK: usize = 64;

/// The same for bytes: a multiple of both tiles' pixels, 6 and 8.
const BLOCK8: usize = 96;

/// A network lowered for one picture size and one instruction set.
#[derive(Debug)]
pub(crate) struct Program {
    isa: Isa,
    isa8: Isa8,
    threads: usize,
    crew: Crew,
    size: usize,
    input: Layout,
    input_bytes: Option<Quant>,
    steps: Vec<Step>,
    /// The values of the answer: logits, features, map.
    outputs: [Layout; 3],
    /// Floats of all values, and of each thread's own window after them.
    values: usize,
    scratch: usize,
    /// Arenas that no pass is using: making one costs page faults.
    spare: Mutex<Vec<Floats>>,
}

#[derive(Debug)]
struct Step {
    work: Work,
    units: usize,
    /// Whose border the step fills, in a unit of its own after the others.
    border: Option<Border>,
    cost: Cost,
}

/// What a step of a pass is called and asks for ([`crate::Network::profile`]).
#[derive(Debug, Clone)]
pub struct Cost {
    /// The layers that it computes, joined by ` + `, or what else it does.
    pub name: String,
    /// Multiplications, each with its addition.
    pub multiplications: usize,
    /// Bytes of the values that it reads and writes and of its weights, each counted once.
    pub bytes: usize,
}

#[derive(Debug)]
enum Border {
    Floats(Layout),
    /// With the stored byte of 0.0.
    Bytes(Layout, u8),
}

#[derive(Debug)]
enum Work {
    /// Brings the picture into the arena, channels last.
    Picture,
    Conv(Conv),
    Depthwise(Box<Depthwise>),
    Grouped(Grouped),
    Add {
        inputs: [Layout; 2],
        output: Layout,
        epilogue: Epilogue,
    },
    Scale {
        inputs: [Layout; 2],
        output: Layout,
    },
    Mean {
        input: Layout,
        output: Layout,
    },
    Largest {
        input: Layout,
        output: Layout,
        size: usize,
        stride: usize,
        pad: [usize; 2],
    },
    Conv8(Conv8),
    Depthwise8(Box<Depthwise8>),
    Mean8 {
        input: Layout,
        output: Layout,
        quant: Quant,
    },
    Quantise {
        input: Layout,
        output: Layout,
        quant: Quant,
    },
}

/// A node after fusion. Value ids as in the description; ids past it are values that fusion made.
#[derive(Debug, Clone)]
enum Operation<'a> {
    /// A convolution or a linear layer (`pad` 0, stride 1), with what is added before the activation.
    Conv {
        layer: Layer<'a>,
        input: usize,
        residual: Option<usize>,
        output: usize,
    },
    /// A convolution and the depthwise convolution that alone reads its value, `middle`.
    Pair {
        wide: Layer<'a>,
        input: usize,
        middle: usize,
        depthwise: Layer<'a>,
        output: usize,
    },
    Add {
        inputs: [usize; 2],
        act: Activation,
        output: usize,
    },
    Scale {
        inputs: [usize; 2],
        output: usize,
    },
    Mean {
        input: usize,
        output: usize,
    },
    Largest {
        input: usize,
        size: usize,
        stride: usize,
        pad: [usize; 4],
        output: usize,
    },
    /// Bytes of floats.
    Quantise {
        input: usize,
        output: usize,
    },
}

#[derive(Debug, Clone, Copy)]
struct Layer<'a> {
    name: &'a str,
    outputs: usize,
    kernel: [usize; 2],
    stride: usize,
    pad: [usize; 4],
    groups: usize,
    act: Activation,
}

impl Operation<'_> {
    fn inputs(&self) -> Vec<usize> {
        match self {
            Self::Conv { input, residual, .. } => [Some(*input), *residual].into_iter().flatten().collect(),
            Self::Add { inputs, .. } | Self::Scale { inputs, .. } => inputs.to_vec(),
            Self::Pair { input, .. }
            | Self::Mean { input, .. }
            | Self::Largest { input, .. }
            | Self::Quantise { input, .. } => vec![*input],
        }
    }

    /// The values around which it reads zeros.
    fn padded(&self) -> Vec<usize> {
        let read = match self {
            Self::Conv { layer, input, .. } => vec![(layer, *input)],
            Self::Pair { wide, input, middle, depthwise, .. } => vec![(wide, *input), (depthwise, *middle)],
            _ => Vec::new(),
        };
        read.into_iter().filter(|(layer, _)| layer.pad != [0; 4]).map(|(_, id)| id).collect()
    }

    fn inputs_mut(&mut self) -> Vec<&mut usize> {
        match self {
            Self::Conv { input, residual, .. } => std::iter::once(input).chain(residual).collect(),
            Self::Add { inputs, .. } | Self::Scale { inputs, .. } => inputs.iter_mut().collect(),
            Self::Pair { input, .. }
            | Self::Mean { input, .. }
            | Self::Largest { input, .. }
            | Self::Quantise { input, .. } => vec![input],
        }
    }

    fn output(&self) -> usize {
        match self {
            Self::Conv { output, .. }
            | Self::Pair { output, .. }
            | Self::Add { output, .. }
            | Self::Scale { output, .. }
            | Self::Mean { output, .. }
            | Self::Largest { output, .. }
            | Self::Quantise { output, .. } => *output,
        }
    }
}

impl Program {
    /// Lowers `plan` for pictures of `size` x `size` pixels.
    pub(crate) fn new(
        plan: &Plan,
        weights: &Named,
        size: usize,
        isa: Isa,
        threads: usize,
        precision: Precision,
    ) -> Result<Self, NetworkError> {
        struct Lower<'a>(&'a Plan, &'a Named, usize, Isa, usize, Precision);
        impl Generic for Lower<'_> {
            type Output = Result<Program, NetworkError>;
            fn run<S: Simd>(self, _: S) -> Self::Output {
                let Self(plan, weights, size, isa, threads, precision) = self;
                let isa8 = Isa8::of(isa);
                let operations = operations(plan, weights)?;
                let (operations, bytes) = match precision {
                    Precision::Float => (operations, Bytes::new()),
                    Precision::Int8 => in_bytes(plan, operations, weights),
                };
                let (layouts, arena) = place::<S>(plan, &operations, weights, size, &bytes)?;
                let input_bytes = bytes.get(&0).cloned();
                let picture = Step {
                    work: Work::Picture,
                    units: threads,
                    border: border(layouts[&0], input_bytes.as_ref(), isa8),
                    cost: Cost {
                        name: "picture".to_owned(),
                        multiplications: 0,
                        bytes: 2 * 3 * size * size * size_of::<f32>(),
                    },
                };
                let steps = std::iter::once(Ok(picture))
                    .chain(operations.iter().map(|op| {
                        let (work, units) = match bytes.contains_key(&op.inputs()[0]) {
                            true => {
                                simd8::dispatch(isa8, Pack8 { op, layouts: &layouts, bytes: &bytes, weights, threads })
                            }
                            false => work::<S>(op, &layouts, &bytes, weights, threads),
                        }?;
                        let border = border(layouts[&op.output()], bytes.get(&op.output()), isa8);
                        Ok(Step { work, units, border, cost: cost(op, &layouts, &bytes) })
                    }))
                    .collect::<Result<Vec<_>, NetworkError>>()?;
                let scratch = steps.iter().map(|step| match &step.work {
                    Work::Depthwise(depthwise) => depthwise.scratch::<S>().next_multiple_of(16),
                    Work::Depthwise8(depthwise) => depthwise.scratch().next_multiple_of(64) / size_of::<f32>(),
                    _ => 0,
                });
                let scratch = scratch.max().unwrap_or(0);
                let outputs = [plan.outputs.logits, plan.outputs.features, plan.outputs.map].map(|id| layouts[&id]);
                Ok(Program {
                    isa,
                    isa8,
                    threads,
                    crew: Crew::new(threads),
                    size,
                    input: layouts[&0],
                    input_bytes,
                    steps,
                    outputs,
                    values: arena,
                    scratch,
                    spare: Mutex::default(),
                })
            }
        }
        dispatch(isa, Lower(plan, weights, size, isa, threads.max(1), precision))
    }

    /// Floats that a pass needs beside the weights.
    pub(crate) fn arena_floats(&self) -> usize {
        self.values + self.threads * self.scratch
    }

    pub(crate) fn output_layouts(&self) -> [Layout; 3] {
        self.outputs
    }

    /// One pass: logits, features and map (channels last), one after the other. `ended(step)` is called after each step.
    fn run(&self, picture: &[f32], ended: &(dyn Fn(usize) + Sync)) -> Vec<f32> {
        struct Pass<'a>(&'a Program, Arena, &'a [f32], &'a (dyn Fn(usize) + Sync));
        impl Generic for Pass<'_> {
            type Output = ();
            fn run<S: Simd>(self, simd: S) {
                let Self(program, arena, picture, ended) = self;
                let units: Vec<usize> =
                    program.steps.iter().map(|step| step.units + usize::from(step.border.is_some())).collect();
                let work = |worker, step, unit| {
                    // SAFETY: steps run one after the other, and the units of a step write apart: pixels, rows or channels of their own, or
                    // the border; `worker` is this thread's own number. `place` made all layouts lie within `program.values` floats.
                    unsafe {
                        let scratch = arena.get().add(program.values + worker * program.scratch);
                        program.unit(simd, arena.get(), scratch, picture, step, unit);
                    }
                };
                program.crew.walk(&units, work, ended);
            }
        }
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut arena = spare.unwrap_or_else(|| Floats::zeroed(self.arena_floats()));
        dispatch(self.isa, Pass(self, Arena(arena.as_mut_ptr()), picture, ended));
        let mut answer = Vec::new();
        for layout in &self.outputs {
            for y in 0..layout.rows {
                for x in 0..layout.columns {
                    let at = layout.origin() + y * layout.row() + x * layout.pixel;
                    answer.extend_from_slice(&arena[at..at + layout.channels]);
                }
            }
        }
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).push(arena);
        answer
    }

    /// Every step's cost, and its seconds: the median of `passes`, of a picture of zeros.
    pub(crate) fn profile(&self, passes: usize) -> Vec<(Cost, f64)> {
        let picture = vec![0.0; 3 * self.size * self.size];
        let mut seconds = vec![Vec::with_capacity(passes); self.steps.len()];
        for _ in 0..passes {
            let ends: Vec<_> = self.steps.iter().map(|_| AtomicU64::new(0)).collect();
            let begin = Instant::now();
            let nanoseconds = |at: Instant| u64::try_from((at - begin).as_nanos()).unwrap_or(u64::MAX);
            self.run(&picture, &|step| ends[step].store(nanoseconds(Instant::now()), Ordering::Relaxed));
            let mut before = 0;
            for (seconds, end) in seconds.iter_mut().zip(ends) {
                let end = end.into_inner();
                seconds.push((end - before) as f64 / 1e9);
                before = end;
            }
        }
        let median = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
        };
        self.steps.iter().map(|step| step.cost.clone()).zip(seconds.into_iter().map(median)).collect()
    }
}

impl CustomOp1 for &Program {
    fn name(&self) -> &'static str {
        "barefoot-network"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &candle_core::Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let data = storage.as_slice::<f32>()?;
        let expected = 3 * self.size * self.size;
        match layout.contiguous_offsets() {
            Some((from, to)) if to - from == expected => {
                let answer = self.run(&data[from..to], &|_| {});
                let shape = Shape::from(answer.len());
                Ok((CpuStorage::F32(answer), shape))
            }
            _ => candle_core::bail!("the network wants 3 x {0} x {0} floats in one piece", self.size),
        }
    }
}

/// The arena's start, shared by the threads of one pass.
#[derive(Clone, Copy)]
struct Arena(*mut f32);

impl Arena {
    fn get(self) -> *mut f32 {
        self.0
    }
}

// SAFETY: a plain address; what is read and written through it is said at `Program::unit`.
unsafe impl Sync for Arena {}

impl Program {
    /// Runs one unit of a step.
    ///
    /// # Safety
    /// The arena has `arena_floats()` floats, `scratch` is its part for this thread; units of one step may run at once, steps may not.
    unsafe fn unit<S: Simd>(
        &self,
        simd: S,
        arena: *mut f32,
        scratch: *mut f32,
        picture: &[f32],
        step: usize,
        unit: usize,
    ) {
        let Step { work, units, border, .. } = &self.steps[step];
        let share = |n: usize| -> Range<usize> { n * unit / units..n * (unit + 1) / units };
        // SAFETY: the caller's promise; ranges lie within what each step's units share out.
        unsafe {
            if unit == *units {
                match border {
                    Some(Border::Floats(layout)) => layout.fill_border(arena, 0),
                    Some(Border::Bytes(layout, zero)) => layout.fill_border(arena.cast::<u8>(), *zero),
                    None => {}
                }
                return;
            }
            match work {
                Work::Picture if self.input_bytes.is_none() => self.interleave(arena, picture, share(self.size)),
                Work::Conv(conv) => {
                    let pixels = conv.output.pixels();
                    if pixels > SMALL_PLANE {
                        let block = blocks(pixels, *units, unit);
                        conv.run(simd, arena, block, 0..conv.weights.panels(), std::ptr::null());
                    } else {
                        // Panels of one part of the pixels after the other.
                        let panels = conv.weights.panels();
                        let (panel, part, parts) = (unit % panels, unit / panels, units / panels);
                        let pixels = pixels * part / parts..pixels * (part + 1) / parts;
                        conv.run(simd, arena, pixels, panel..panel + 1, self.weights_after(step, unit));
                    }
                }
                Work::Depthwise(depthwise) => depthwise.run(simd, arena, scratch, unit, self.weights_after(step, unit)),
                Work::Grouped(grouped) => grouped.run(arena, share(grouped.output.channels)),
                Work::Add { inputs: [a, b], output, epilogue } => {
                    pointwise::add(simd, arena, [a, b], output, *epilogue, share(output.rows));
                }
                Work::Scale { inputs: [x, gate], output } => {
                    pointwise::scale(simd, arena, [x, gate], output, share(output.rows));
                }
                Work::Mean { input, output } => {
                    pointwise::mean(simd, arena, input, output, share(input.pixel / S::LANES));
                }
                Work::Largest { input, output, size, stride, pad } => {
                    pointwise::largest(simd, arena, [input, output], *size, *stride, *pad, share(output.rows));
                }
                Work::Picture | Work::Conv8(_) | Work::Depthwise8(_) | Work::Mean8 { .. } | Work::Quantise { .. } => {
                    simd8::dispatch(self.isa8, Unit8 { program: self, arena, scratch, picture, step, unit });
                }
            }
        }
    }

    /// Rows `rows` of the picture, plane by plane, into the arena.
    ///
    /// # Safety
    /// The picture's layout lies within the arena, and nobody else touches these rows.
    unsafe fn interleave(&self, arena: *mut f32, picture: &[f32], rows: Range<usize>) {
        let plane = self.size * self.size;
        for y in rows {
            // SAFETY: one row of the picture's layout.
            let row = unsafe {
                let start = arena.add(self.input.origin() + y * self.input.row());
                std::slice::from_raw_parts_mut(start, self.size * 3)
            };
            let line = |c: usize| &picture[c * plane + y * self.size..][..self.size];
            for (pixel, ((&r, &g), &b)) in row.chunks_exact_mut(3).zip(line(0).iter().zip(line(1)).zip(line(2))) {
                pixel.copy_from_slice(&[r, g, b]);
            }
        }
    }

    /// The weights that the thread which does `unit` will probably want next, so that they come from memory while it computes: late layers
    /// have few pixels and megabytes of weights. Null when there are none.
    fn weights_after(&self, step: usize, unit: usize) -> *const f32 {
        let mut ahead = unit + self.threads;
        for Step { work, units, .. } in &self.steps[step..] {
            let weights = match work {
                Work::Conv(conv) => Some((&conv.weights, *units == conv.weights.panels())),
                Work::Depthwise(depthwise) => depthwise.producer_weights(),
                _ => None,
            };
            if let Some((weights, by_panel)) = weights {
                if ahead < *units && by_panel {
                    return weights.panel_start(ahead);
                }
                ahead = ahead.saturating_sub(*units).min(self.threads - 1);
                if !by_panel {
                    return std::ptr::null();
                }
            }
        }
        std::ptr::null()
    }
}

/// One unit of a step that reads or makes bytes; made in `Program::unit` alone, whose caller promises what these need.
struct Unit8<'a> {
    program: &'a Program,
    arena: *mut f32,
    scratch: *mut f32,
    picture: &'a [f32],
    step: usize,
    unit: usize,
}

impl Generic8 for Unit8<'_> {
    type Output = ();
    fn run<S: Simd8>(self, simd: S) {
        let Self { program, arena, scratch, picture, step, unit } = self;
        let Step { work, units, .. } = &program.steps[step];
        let share = |n: usize| -> Range<usize> { n * unit / units..n * (unit + 1) / units };
        // SAFETY: as in `Program::unit`.
        unsafe {
            match work {
                Work::Picture => {
                    let rows = share(program.size);
                    if let Some(quant) = &program.input_bytes {
                        convert::picture(simd, arena, &program.input, quant, picture, rows);
                    }
                }
                Work::Conv8(conv) => {
                    let pixels = conv.output.pixels();
                    let panels = conv.packed.panels();
                    if pixels > SMALL_PLANE {
                        conv.run(simd, arena, unit * BLOCK8..((unit + 1) * BLOCK8).min(pixels), 0..panels);
                    } else {
                        let (panel, part, parts) = (unit % panels, unit / panels, units / panels);
                        conv.run(simd, arena, pixels * part / parts..pixels * (part + 1) / parts, panel..panel + 1);
                    }
                }
                Work::Depthwise8(depthwise) => depthwise.run(simd, arena, scratch, unit),
                Work::Mean8 { input, output, quant } => {
                    let vectors = share(input.channels.div_ceil(int8::PIXEL));
                    convert::mean(simd, arena, input, output, quant, vectors);
                }
                Work::Quantise { input, output, quant } => {
                    convert::quantise(simd, arena, input, output, quant, share(output.rows));
                }
                _ => {}
            }
        }
    }
}

fn parameter<'a>(weights: &'a Named, name: &str, part: &str) -> Result<(&'a [usize], &'a [f32]), NetworkError> {
    let (shape, values) = weights
        .get(&format!("{name}.{part}"))
        .ok_or_else(|| NetworkError::Plan(format!("weight {name}.{part} is missing")))?;
    Ok((shape, values))
}

/// The description's nodes with two rewrites that change no result: a sum is added by the convolution that feeds it, and the mean of a 1x1
/// convolution without activation is that convolution of the mean.
fn operations<'a>(plan: &'a Plan, weights: &Named) -> Result<Vec<Operation<'a>>, NetworkError> {
    let outputs = [plan.outputs.map, plan.outputs.features, plan.outputs.logits];
    let mut uses = vec![0; plan.nodes.len() + 1];
    for id in plan.nodes.iter().flat_map(|node| node.inputs().iter().copied()).chain(outputs) {
        uses[id] += 1;
    }
    let conv = |index: usize| -> Result<Option<(Layer<'a>, usize)>, NetworkError> {
        let Node::Conv { name, input, stride, pad, groups, act } = &plan.nodes[index] else { return Ok(None) };
        let (shape, _) = parameter(weights, name, "weight")?;
        let [outputs, _, kh, kw] = *shape else {
            return Err(NetworkError::Plan(format!("{name}.weight is not [out, in, rows, columns]")));
        };
        let (stride, pad, groups, act) = (*stride, *pad, *groups, *act);
        Ok(Some((Layer { name, outputs, kernel: [kh, kw], stride, pad, groups, act }, *input)))
    };
    // A convolution whose value has one reader and that does nothing after its sum: its reader may do the rest.
    let open = |id: usize| -> Result<Option<(Layer<'a>, usize)>, NetworkError> {
        if id == 0 || uses[id] != 1 {
            return Ok(None);
        }
        Ok(conv(id - 1)?.filter(|(layer, _)| layer.act == Activation::None))
    };
    let mut list = Vec::new();
    let mut fresh = plan.nodes.len() + 1;
    // Backwards, so that a reader decides before the convolution that it takes over is reached.
    let mut taken = vec![false; plan.nodes.len() + 1];
    for (index, node) in plan.nodes.iter().enumerate().rev() {
        let output = index + 1;
        if taken[output] {
            continue;
        }
        let operation = match node {
            Node::Conv { input: middle, .. } => {
                let Some((layer, _)) = conv(index)? else { continue };
                let alone = *middle > 0 && uses[*middle] == 1 && layer.groups > 1 && layer.groups == layer.outputs;
                match alone.then(|| conv(middle - 1)).transpose()?.flatten().filter(|(wide, _)| wide.groups == 1) {
                    Some((wide, input)) => {
                        taken[*middle] = true;
                        Some(Operation::Pair { wide, input, middle: *middle, depthwise: layer, output })
                    }
                    None => Some(Operation::Conv { layer, input: *middle, residual: None, output }),
                }
            }
            Node::Linear { name, input, act } => {
                let outputs = parameter(weights, name, "weight")?.0[0];
                let layer = Layer { name, outputs, kernel: [1, 1], stride: 1, pad: [0; 4], groups: 1, act: *act };
                Some(Operation::Conv { layer, input: *input, residual: None, output })
            }
            Node::Add { inputs: [a, b], act } => {
                let mut fused = None;
                for (x, other) in [(*b, *a), (*a, *b)] {
                    if let Some((layer, input)) = open(x)?.filter(|(layer, _)| x != other && layer.groups == 1) {
                        taken[x] = true;
                        let layer = Layer { act: *act, ..layer };
                        fused = Some(Operation::Conv { layer, input, residual: Some(other), output });
                        break;
                    }
                }
                fused.or(Some(Operation::Add { inputs: [*a, *b], act: *act, output }))
            }
            Node::GlobalAvgPool { input } => {
                match open(*input)?.filter(|(l, _)| l.kernel == [1, 1] && l.stride == 1 && l.pad == [0; 4]) {
                    Some((layer, before)) => {
                        taken[*input] = true;
                        let mean = fresh;
                        fresh += 1;
                        list.push(Operation::Conv { layer, input: mean, residual: None, output });
                        Some(Operation::Mean { input: before, output: mean })
                    }
                    None => Some(Operation::Mean { input: *input, output }),
                }
            }
            Node::Scale { inputs } => Some(Operation::Scale { inputs: *inputs, output }),
            Node::MaxPool { input, size, stride, pad } => {
                Some(Operation::Largest { input: *input, size: *size, stride: *stride, pad: *pad, output })
            }
        };
        list.extend(operation);
    }
    list.reverse();
    Ok(list)
}

/// The values that are kept in bytes, by id, and what the bytes mean.
type Bytes = HashMap<usize, Quant>;

/// Which operations work in bytes: dense and depthwise convolutions whose values all have ranges and whose activation only cuts off. A value is
/// kept in bytes when no other operation and nobody outside reads it; where both kinds read it, it is kept in floats, and a conversion follows.
fn in_bytes<'a>(plan: &Plan, operations: Vec<Operation<'a>>, weights: &Named) -> (Vec<Operation<'a>>, Bytes) {
    let mut floats: HashSet<usize> = [plan.outputs.map, plan.outputs.features, plan.outputs.logits].into();
    // What reads a border of zeros needs one byte that is 0.0 in every channel.
    let padded: HashSet<usize> = operations.iter().flat_map(Operation::padded).collect();
    let quant = |id: usize| {
        let spreads = spreads(weights, id)?;
        let act = id.checked_sub(1).map_or(Activation::None, |node| plan.nodes[node].act());
        let Epilogue::Clamp { low, high } = epilogue(act) else { return None };
        Quant::of(&spreads, [low, high], id == 0, padded.contains(&id) && low < 0.0)
    };
    let cuts = |layer: &Layer<'_>| matches!(epilogue(layer.act), Epilogue::Clamp { .. });
    let by_channel = |layer: &Layer<'_>| {
        layer.groups == layer.outputs && parameter(weights, layer.name, "weight").is_ok_and(|(shape, _)| shape[1] == 1)
    };
    // Backwards: what a value's readers are decides what it may be.
    let mut bytes = Bytes::new();
    let mut eight = vec![false; operations.len()];
    for (eight, op) in eight.iter_mut().zip(&operations).rev() {
        let known = op.inputs().iter().all(|&id| quant(id).is_some());
        let narrow = !floats.contains(&op.output()) && quant(op.output()).is_some();
        *eight = known
            && match op {
                Operation::Conv { layer, .. } if layer.groups == 1 => cuts(layer),
                Operation::Conv { layer, .. } => cuts(layer) && by_channel(layer) && narrow,
                Operation::Pair { wide, middle, depthwise, .. } => {
                    cuts(wide) && cuts(depthwise) && by_channel(depthwise) && narrow && quant(*middle).is_some()
                }
                _ => false,
            };
        if *eight && narrow {
            bytes.extend(quant(op.output()).map(|quant| (op.output(), quant)));
        }
        match op {
            Operation::Pair { middle, .. } if *eight => bytes.extend(quant(*middle).map(|quant| (*middle, quant))),
            // It reads either.
            Operation::Mean { .. } => {}
            _ if *eight => {}
            _ => floats.extend(op.inputs()),
        }
    }
    let picture_wanted = operations.iter().zip(&eight).any(|(op, eight)| *eight && op.inputs().contains(&0));
    if picture_wanted && !floats.contains(&0) {
        bytes.extend(quant(0).map(|quant| (0, quant)));
    }
    let mut fresh = operations.iter().map(Operation::output).max().unwrap_or(0) + 1;
    let mut converted = HashMap::new();
    let mut list = Vec::with_capacity(operations.len());
    for (mut op, eight) in operations.into_iter().zip(eight) {
        for input in op.inputs_mut().into_iter().filter(|_| eight) {
            if bytes.contains_key(input) {
                continue;
            }
            let copy = *converted.entry(*input).or_insert_with(|| {
                list.push(Operation::Quantise { input: *input, output: fresh });
                bytes.extend(quant(*input).map(|quant| (fresh, quant)));
                fresh += 1;
                fresh - 1
            });
            *input = copy;
        }
        list.push(op);
    }
    (list, bytes)
}

/// What is known of a value's numbers, channel by channel: the tensor `int8.ID`, `[3][channels]`.
fn spreads(weights: &Named, id: usize) -> Option<Vec<Spread>> {
    let (shape, numbers) = weights.get(&format!("int8.{id}"))?;
    let [3, channels] = shape[..] else { return None };
    let number = |row: usize, channel: usize| numbers[row * channels + channel];
    Some((0..channels).map(|c| Spread { low: number(0, c), high: number(1, c), mean: number(2, c) }).collect())
}

/// Rows, columns and channels of a value.
type Extent = [usize; 3];

fn misfit(name: &str) -> NetworkError {
    NetworkError::Plan(format!("shapes do not fit at {name}"))
}

/// Rows or columns that windows of `size` make of `length` ones, and how many zeros past the end they read.
fn windows(length: usize, size: usize, stride: usize, before: usize, after: usize) -> Option<(usize, usize)> {
    let room = (length + before + after).checked_sub(size)?;
    let count = room.checked_div(stride)? + 1;
    Some((count, ((count - 1) * stride + size).saturating_sub(length + before)))
}

/// A layer's output, and the border that it wants of its input.
fn layer_extent(
    layer: &Layer<'_>,
    [rows, columns, channels]: Extent,
    weights: &Named,
) -> Result<(Extent, [usize; 4]), NetworkError> {
    let fits = || misfit(layer.name);
    let (shape, values) = parameter(weights, layer.name, "weight")?;
    let (_, bias) = parameter(weights, layer.name, "bias")?;
    let [kh, kw] = layer.kernel;
    let [top, left, bottom, right] = layer.pad;
    let fit = layer.groups > 0
        && layer.outputs > 0
        && kh * kw > 0
        && channels.is_multiple_of(layer.groups)
        && layer.outputs.is_multiple_of(layer.groups)
        && values.len() == layer.outputs * (channels / layer.groups) * kh * kw
        && bias.len() == layer.outputs;
    let is_linear = shape.len() == 2;
    if !fit || (is_linear && (rows, columns) != (1, 1)) {
        return Err(fits());
    }
    let (out_rows, below) = windows(rows, kh, layer.stride, top, bottom).ok_or_else(fits)?;
    let (out_columns, beside) = windows(columns, kw, layer.stride, left, right).ok_or_else(fits)?;
    Ok(([out_rows, out_columns, layer.outputs], [top, left, below, beside]))
}

/// The output of an operation (of a pair: the value between the two), and the border that it wants of its first input.
fn extent(
    op: &Operation<'_>,
    of: impl Fn(usize) -> Extent,
    weights: &Named,
) -> Result<(Extent, [usize; 4]), NetworkError> {
    let none = [0; 4];
    Ok(match op {
        Operation::Pair { wide, input, .. } => layer_extent(wide, of(*input), weights)?,
        Operation::Conv { layer, input, residual, .. } => {
            let (extent, border) = layer_extent(layer, of(*input), weights)?;
            if residual.is_some_and(|id| of(id) != extent) {
                return Err(misfit(layer.name));
            }
            (extent, border)
        }
        Operation::Add { inputs: [a, b], .. } if of(*a) == of(*b) => (of(*a), none),
        Operation::Scale { inputs: [x, gate], .. } if of(*gate) == [1, 1, of(*x)[2]] => (of(*x), none),
        Operation::Add { .. } => return Err(misfit("add")),
        Operation::Scale { .. } => return Err(misfit("scale")),
        Operation::Mean { input, .. } => ([1, 1, of(*input)[2]], none),
        Operation::Quantise { input, .. } => (of(*input), none),
        Operation::Largest { input, size, stride, pad, .. } => {
            let [rows, columns, channels] = of(*input);
            let fits = || misfit("max_pool");
            // Every window then holds at least one pixel.
            if *size == 0 || pad.iter().any(|pad| pad >= size) {
                return Err(fits());
            }
            let (out_rows, _) = windows(rows, *size, *stride, pad[0], pad[2]).ok_or_else(fits)?;
            let (out_columns, _) = windows(columns, *size, *stride, pad[1], pad[3]).ok_or_else(fits)?;
            ([out_rows, out_columns, channels], none)
        }
    })
}

/// Every value's layout, and the floats of an arena that holds all that live at once.
fn place<S: Simd>(
    plan: &Plan,
    operations: &[Operation<'_>],
    weights: &Named,
    size: usize,
    bytes: &Bytes,
) -> Result<(HashMap<usize, Layout>, usize), NetworkError> {
    if size == 0 {
        return Err(misfit("the picture"));
    }
    let mut layouts = HashMap::new();
    let layout = |[rows, columns, channels]: Extent, pixel: usize| Layout {
        offset: 0,
        rows,
        columns,
        channels,
        pixel,
        border: [0; 4],
    };
    // The picture's three channels lie close, so that a row of a filter is one run; of bytes, four are one word.
    layouts.insert(0, layout([size, size, 3], if bytes.contains_key(&0) { 4 } else { 3 }));
    let pixel = |id: usize, channels: usize| {
        channels.next_multiple_of(if bytes.contains_key(&id) { int8::PIXEL } else { S::LANES })
    };
    for op in operations {
        let of = |id: usize| -> Extent {
            let l: &Layout = &layouts[&id];
            [l.rows, l.columns, l.channels]
        };
        let (mut extent, border) = extent(op, of, weights)?;
        if let Operation::Pair { middle, depthwise, .. } = op {
            let (output, border) = layer_extent(depthwise, extent, weights)?;
            layouts.insert(*middle, Layout { border, ..layout(extent, pixel(*middle, extent[2])) });
            extent = output;
        }
        layouts.insert(op.output(), layout(extent, pixel(op.output(), extent[2])));
        let first = op.inputs()[0];
        if let Some(input) = layouts.get_mut(&first) {
            input.border = std::array::from_fn(|i| input.border[i].max(border[i]));
        }
        // Only a dense convolution reads pixels that are not whole vectors.
        let dense = match op {
            Operation::Conv { layer, residual, .. } => layer.groups == 1 && *residual != Some(0),
            other => matches!(other, Operation::Pair { .. } | Operation::Quantise { .. }),
        };
        if op.inputs().contains(&0) && !dense {
            return Err(NetworkError::Plan("only a convolution may read the picture".to_owned()));
        }
    }
    for (&id, quant) in bytes {
        // Copies of a value are as large as it is.
        if quant.channels() != layouts[&id].channels {
            return Err(misfit(&format!("int8.{id}")));
        }
    }
    let outputs = [plan.outputs.map, plan.outputs.features, plan.outputs.logits];
    let last_use = |id: usize| match outputs.contains(&id) {
        true => operations.len(),
        false => operations.iter().rposition(|op| op.inputs().contains(&id)).unwrap_or(0),
    };
    // Begin, end and last use of the values that live now.
    let mut live: Vec<(usize, usize, usize)> = Vec::new();
    let mut arena = 0;
    for (now, id) in std::iter::once((0, 0)).chain(operations.iter().enumerate().map(|(now, op)| (now, op.output()))) {
        live.retain(|&(.., last)| last >= now);
        live.sort_unstable();
        let Some(value) = layouts.get_mut(&id) else { continue };
        // Whole cache lines, and a vector's worth past the end, so that no kernel reads past the arena.
        let each = if bytes.contains_key(&id) { size_of::<f32>() } else { 1 };
        let floats = (value.floats().div_ceil(each) + S::LANES).next_multiple_of(16);
        let at = live.iter().fold(0, |at, &(begin, end, _)| if at + floats <= begin { at } else { at.max(end) });
        value.offset = at * each;
        live.push((at, at + floats, last_use(id)));
        arena = arena.max(at + floats);
    }
    Ok((layouts, arena))
}

/// What an operation asks for.
fn cost(op: &Operation<'_>, layouts: &HashMap<usize, Layout>, bytes: &Bytes) -> Cost {
    let width = |id: usize| if bytes.contains_key(&id) { 1 } else { size_of::<f32>() };
    let value = |id: usize| layouts[&id].pixels() * layouts[&id].channels * width(id);
    // Multiplications and bytes of weights.
    let layer = |layer: &Layer<'_>, input: usize, output: usize| {
        let weights = layer.kernel[0] * layer.kernel[1] * layouts[&input].channels / layer.groups * layer.outputs;
        (weights * layouts[&output].pixels(), weights * width(input))
    };
    let (name, layers) = match op {
        Operation::Conv { layer: l, input, output, .. } => (l.name.to_owned(), vec![layer(l, *input, *output)]),
        Operation::Pair { wide, input, middle, depthwise, output } => (
            format!("{} + {}", wide.name, depthwise.name),
            vec![layer(wide, *input, *middle), layer(depthwise, *middle, *output)],
        ),
        Operation::Add { .. } => ("add".to_owned(), Vec::new()),
        Operation::Scale { .. } => ("scale".to_owned(), Vec::new()),
        Operation::Mean { .. } => ("mean".to_owned(), Vec::new()),
        Operation::Largest { .. } => ("max_pool".to_owned(), Vec::new()),
        Operation::Quantise { .. } => ("to bytes".to_owned(), Vec::new()),
    };
    let values = op.inputs().iter().map(|&id| value(id)).sum::<usize>() + value(op.output());
    Cost {
        name,
        multiplications: layers.iter().map(|(multiplications, _)| multiplications).sum(),
        bytes: values + layers.iter().map(|(_, bytes)| bytes).sum::<usize>(),
    }
}

/// The pixels of one of so many units, in whole tiles.
fn blocks(pixels: usize, units: usize, unit: usize) -> Range<usize> {
    let begin = |unit: usize| (pixels * unit / units).next_multiple_of(8).min(pixels);
    begin(unit)..begin(unit + 1)
}

/// Into how many units the panels of a small plane are shared out.
fn shares(panels: usize, pixels: usize, threads: usize) -> usize {
    let even = |parts: &usize| (panels * parts).is_multiple_of(threads) || panels * parts >= 8 * threads;
    panels * (1..=threads.min(pixels)).find(even).unwrap_or(1)
}

/// The border that a step fills beside its work.
fn border(layout: Layout, bytes: Option<&Quant>, isa: Isa8) -> Option<Border> {
    let border = bytes
        .map_or(Border::Floats(layout), |quant| Border::Bytes(layout, simd8::stored(isa, i32::from(quant.zero()))));
    (layout.border != [0; 4]).then_some(border)
}

/// Packs one operation's weights and says how its work is shared out.
fn work<S: Simd>(
    op: &Operation<'_>,
    layouts: &HashMap<usize, Layout>,
    bytes: &Bytes,
    weights: &Named,
    threads: usize,
) -> Result<(Work, usize), NetworkError> {
    let output = layouts[&op.output()];
    let rows = output.rows.min(4 * threads);
    Ok(match op {
        Operation::Conv { layer, input, residual, .. } if layer.groups == 1 => {
            let conv = dense::<S>(layer, layouts[input], output, residual.map(|id| layouts[&id]), weights, threads)?;
            let (pixels, panels) = (output.pixels(), conv.weights.panels());
            let units = if pixels > SMALL_PLANE {
                pixels.div_ceil(BLOCK).next_multiple_of(threads)
            } else {
                shares(panels, pixels, threads)
            };
            (Work::Conv(conv), units)
        }
        Operation::Conv { layer, input, .. }
            if layer.groups == layer.outputs && layer.groups == layouts[input].channels =>
        {
            let depthwise = depthwise::<S>(layer, layouts[input], output, None, weights, threads)?;
            let units = depthwise.units::<S>();
            (Work::Depthwise(Box::new(depthwise)), units)
        }
        Operation::Pair { wide, input, middle, depthwise: layer, .. } => {
            let producer = dense::<S>(wide, layouts[input], layouts[middle], None, weights, threads)?;
            let depthwise = depthwise::<S>(layer, layouts[middle], output, Some(producer), weights, threads)?;
            let units = depthwise.units::<S>();
            (Work::Depthwise(Box::new(depthwise)), units)
        }
        Operation::Conv { layer, input, .. } => {
            let input = layouts[input];
            let first_tap = -((layer.pad[0] * input.row() + layer.pad[1] * input.pixel) as isize);
            let weights_of = |part| Ok::<_, NetworkError>(parameter(weights, layer.name, part)?.1.to_vec());
            let grouped = Grouped {
                input,
                output,
                weights: weights_of("weight")?,
                bias: weights_of("bias")?,
                kernel: layer.kernel,
                stride: layer.stride,
                groups: layer.groups,
                first_tap,
                epilogue: epilogue(layer.act),
            };
            (Work::Grouped(grouped), threads)
        }
        Operation::Add { inputs, act, .. } => {
            (Work::Add { inputs: inputs.map(|id| layouts[&id]), output, epilogue: epilogue(*act) }, rows)
        }
        Operation::Scale { inputs, .. } => (Work::Scale { inputs: inputs.map(|id| layouts[&id]), output }, rows),
        Operation::Mean { input, .. } => (Work::Mean { input: layouts[input], output }, threads),
        Operation::Largest { input, size, stride, pad, .. } => {
            let (size, stride, pad) = (*size, *stride, [pad[0], pad[1]]);
            (Work::Largest { input: layouts[input], output, size, stride, pad }, rows)
        }
        Operation::Quantise { input, output: id } => {
            (Work::Quantise { input: layouts[input], output, quant: bytes[id].clone() }, rows)
        }
    })
}

/// [`work`] for an operation that reads bytes.
struct Pack8<'a> {
    op: &'a Operation<'a>,
    layouts: &'a HashMap<usize, Layout>,
    bytes: &'a Bytes,
    weights: &'a Named,
    threads: usize,
}

impl Generic8 for Pack8<'_> {
    type Output = Result<(Work, usize), NetworkError>;
    fn run<S: Simd8>(self, _: S) -> Self::Output {
        let Self { op, layouts, bytes, threads, .. } = self;
        let output = layouts[&op.output()];
        Ok(match op {
            Operation::Conv { layer, input, residual, output: id } if layer.groups == 1 => {
                let conv = self.dense::<S>(layer, *input, *residual, *id)?;
                let (pixels, panels) = (output.pixels(), conv.packed.panels());
                let units =
                    if pixels > SMALL_PLANE { pixels.div_ceil(BLOCK8) } else { shares(panels, pixels, threads) };
                (Work::Conv8(conv), units)
            }
            Operation::Conv { layer, input, output: id, .. } => self.depthwise::<S>(layer, *input, *id, None)?,
            Operation::Pair { wide, input, middle, depthwise, output: id } => {
                let producer = self.dense::<S>(wide, *input, None, *middle)?;
                self.depthwise::<S>(depthwise, *middle, *id, Some(producer))?
            }
            Operation::Mean { input, .. } => {
                (Work::Mean8 { input: layouts[input], output, quant: bytes[input].clone() }, threads)
            }
            _ => return Err(NetworkError::Plan("only a layer or a mean may read bytes".to_owned())),
        })
    }
}

impl Pack8<'_> {
    fn ends(&self, input: usize, residual: Option<usize>, output: usize) -> Ends<'_> {
        let residual = residual.map(|id| &self.bytes[&id]);
        Ends { input: &self.bytes[&input], residual, output: self.bytes.get(&output) }
    }

    fn dense<S: Simd8>(
        &self,
        layer: &Layer<'_>,
        input: usize,
        residual: Option<usize>,
        output: usize,
    ) -> Result<Conv8, NetworkError> {
        let clamp = match epilogue(layer.act) {
            Epilogue::Clamp { low, high } => [low, high],
            _ => return Err(misfit(layer.name)),
        };
        let parts = int8::conv::Parts {
            input: self.layouts[&input],
            output: self.layouts[&output],
            residual: residual.map(|id| self.layouts[&id]),
            ends: self.ends(input, residual, output),
            weights: parameter(self.weights, layer.name, "weight")?.1,
            bias: parameter(self.weights, layer.name, "bias")?.1,
            kernel: layer.kernel,
            stride: layer.stride,
            pad: [layer.pad[0], layer.pad[1]],
            clamp,
        };
        Conv8::pack::<S>(parts).ok_or_else(|| out_of_range(layer.name))
    }

    fn depthwise<S: Simd8>(
        &self,
        layer: &Layer<'_>,
        input: usize,
        output: usize,
        producer: Option<Conv8>,
    ) -> Result<(Work, usize), NetworkError> {
        let parts = int8::depthwise::Parts {
            input: self.layouts[&input],
            output: self.layouts[&output],
            producer,
            ends: self.ends(input, None, output),
            weights: parameter(self.weights, layer.name, "weight")?.1,
            bias: parameter(self.weights, layer.name, "bias")?.1,
            kernel: layer.kernel,
            stride: layer.stride,
            pad: [layer.pad[0], layer.pad[1]],
            threads: self.threads,
        };
        let depthwise = Depthwise8::pack::<S>(parts).ok_or_else(|| out_of_range(layer.name))?;
        let units = depthwise.units();
        Ok((Work::Depthwise8(Box::new(depthwise)), units))
    }
}

fn out_of_range(name: &str) -> NetworkError {
    NetworkError::Plan(format!("the ranges around {name} are too far apart"))
}

fn dense<S: Simd>(
    layer: &Layer<'_>,
    input: Layout,
    output: Layout,
    residual: Option<Layout>,
    weights: &Named,
    threads: usize,
) -> Result<Conv, NetworkError> {
    let (_, values) = parameter(weights, layer.name, "weight")?;
    let (_, bias) = parameter(weights, layer.name, "bias")?;
    let [kh, kw] = layer.kernel;
    let inputs = input.channels;
    // A large plane is shared out by pixels.
    let threads = if output.pixels() > SMALL_PLANE { 1 } else { threads };
    let tap = |ky: usize, kx: usize| {
        (ky as isize - layer.pad[0] as isize) * input.row() as isize
            + (kx as isize - layer.pad[1] as isize) * input.pixel as isize
    };
    let weight = |o: usize, at: usize, i: usize| values[(o * inputs + i) * kh * kw + at];
    // Where pixels lie close, a row of the filter is one run.
    let (weights, taps, run) = if input.pixel == inputs {
        let of_row = |o: usize, ky: usize, i: usize| weight(o, ky * kw + i / inputs, i % inputs);
        let packed = Weights::pack::<S>(layer.outputs, kh, kw * inputs, of_row, bias, threads);
        (packed, (0..kh).map(|ky| tap(ky, 0)).collect(), kw * inputs)
    } else {
        let packed = Weights::pack::<S>(layer.outputs, kh * kw, inputs, weight, bias, threads);
        (packed, (0..kh * kw).map(|at| tap(at / kw, at % kw)).collect(), inputs)
    };
    Ok(Conv { input, output, residual, weights, stride: layer.stride, taps, run, epilogue: epilogue(layer.act) })
}

fn depthwise<S: Simd>(
    layer: &Layer<'_>,
    input: Layout,
    output: Layout,
    producer: Option<Conv>,
    weights: &Named,
    threads: usize,
) -> Result<Depthwise, NetworkError> {
    Ok(Depthwise::pack::<S>(Parts {
        input,
        output,
        producer,
        weights: parameter(weights, layer.name, "weight")?.1,
        bias: parameter(weights, layer.name, "bias")?.1,
        kernel: layer.kernel,
        stride: layer.stride,
        pad: [layer.pad[0], layer.pad[1]],
        epilogue: epilogue(layer.act),
        threads,
    }))
}

fn epilogue(act: Activation) -> Epilogue {
    match act {
        Activation::None => Epilogue::Clamp { low: f32::NEG_INFINITY, high: f32::INFINITY },
        Activation::Relu => Epilogue::Clamp { low: 0.0, high: f32::INFINITY },
        Activation::Relu6 => Epilogue::Clamp { low: 0.0, high: 6.0 },
        Activation::HardSwish => Epilogue::HardSwish,
        Activation::HardSigmoid => Epilogue::HardSigmoid,
    }
}

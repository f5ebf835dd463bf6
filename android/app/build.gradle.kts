import org.gradle.api.tasks.Exec

plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

val repository: File = rootDir.parentFile
val generated = layout.buildDirectory.dir("generated/barefoot")
val libraries = layout.buildDirectory.dir("jniLibs")

android {
    namespace = "org.barefoot.app"
    compileSdk = 34

    defaultConfig {
        applicationId = "org.barefoot.app"
        minSdk = 26
        targetSdk = 34
        versionCode = 1
        versionName = "0.1.0"
        ndk { abiFilters += listOf("arm64-v8a", "armeabi-v7a") }
    }

    sourceSets.getByName("main") {
        kotlin.srcDirs("src/main/kotlin", repository.resolve("bindings/kotlin/src"), generated)
        jniLibs.srcDirs(libraries)
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions { jvmTarget = "17" }

    testOptions.unitTests.isIncludeAndroidResources = true
}

dependencies {
    implementation("net.java.dev.jna:jna:5.17.0@aar")

    testImplementation("junit:junit:4.13.2")
    testImplementation("net.java.dev.jna:jna:5.17.0")
    testImplementation("org.robolectric:robolectric:4.16.1")
}

// The core for this machine: the tests run on it, and the Kotlin is generated from it.
val kotlinFromCore by tasks.registering(Exec::class) {
    workingDir = repository
    val out = generated.get().asFile.path
    commandLine(
        "sh", "-c",
        "cargo build --locked -p barefoot-ffi && cargo run --locked -p barefoot-uniffi-bindgen -- generate " +
            "--library target/debug/libbarefoot_ffi.so --language kotlin --no-format --out-dir '$out'",
    )
}

// The core for phones: needs the NDK and `cargo install cargo-ndk`.
val coreForPhones by tasks.registering(Exec::class) {
    workingDir = repository
    environment("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384")
    commandLine(
        "cargo", "ndk", "--platform", "26", "-t", "arm64-v8a", "-t", "armeabi-v7a",
        "-o", libraries.get().asFile.path, "rustc", "--release", "--locked", "-p", "barefoot-ffi",
        "--lib", "--crate-type", "cdylib", "--", "-C", "lto=fat",
    )
}

tasks.named("preBuild") { dependsOn(kotlinFromCore) }
tasks.configureEach { if (name.startsWith("merge") && name.endsWith("JniLibFolders")) dependsOn(coreForPhones) }
tasks.withType<Test>().configureEach {
    systemProperty("jna.library.path", repository.resolve("target/debug").path)
    systemProperty("barefoot.repository", repository.path)
    systemProperty("barefoot.pictures", layout.buildDirectory.dir("pictures").get().asFile.path)
}

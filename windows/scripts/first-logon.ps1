# Builds the image at the first logon of Administrator: drivers, Cloudbase-Init,
# C:\curtin, then sysprep, which turns the VM off.
#
# The second serial port gets every step, on failure the logs too, and one of
# the lines "image-build: installed" and "image-build: FAILED". The VM turns
# itself off in either case. Settings: settings.json beside this file.

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$Media = $PSScriptRoot
$Settings = Get-Content -Raw -Path (Join-Path $Media 'settings.json') | ConvertFrom-Json
$Cloudbase = Join-Path $env:ProgramFiles 'Cloudbase Solutions\Cloudbase-Init'
$Sysprep = Join-Path $env:SystemRoot 'System32\Sysprep'
$Winlogon = 'HKLM:\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon'
$Work = Join-Path $env:SystemRoot 'Temp\image-build'

function Write-Report([string[]]$Lines) {
    $port = New-Object System.IO.Ports.SerialPort 'COM2', 115200
    try {
        $port.Open()
        foreach ($line in $Lines) { $port.Write($line + "`r`n") }
        # Closing drops what is still in the buffer.
        while ($port.BytesToWrite -gt 0) { Start-Sleep -Milliseconds 50 }
    } catch {
        Write-Warning "COM2: $_"
    } finally {
        $port.Dispose()
    }
}

function Write-Step([string]$Text) {
    Write-Report ('image-build: {0:HH:mm:ss} {1}' -f (Get-Date), $Text)
}

function Invoke-Program([string]$File, [string[]]$Arguments, [int[]]$Good = @(0)) {
    $process = Start-Process -FilePath $File -ArgumentList $Arguments -Wait -PassThru -NoNewWindow
    if ($Good -notcontains $process.ExitCode) {
        throw "$File ended with $($process.ExitCode)"
    }
}

function Get-VirtioRoot {
    # The letter is whatever Windows gave it; the driver directories tell.
    foreach ($volume in Get-Volume | Where-Object { $_.DriveType -eq 'CD-ROM' -and $_.DriveLetter }) {
        $root = '{0}:\' -f $volume.DriveLetter
        if (Test-Path (Join-Path $root 'viostor')) { return $root }
    }
    throw 'there is no virtio-win CD in this VM'
}

# Every .inf below the directory, into the driver store: the deployed machine
# finds its drivers there. 259 and 3010: nothing to do, and a restart is due.
function Install-Drivers([string]$Directory) {
    $files = @(Get-ChildItem -Path $Directory -Filter '*.inf' -Recurse -ErrorAction SilentlyContinue)
    if ($files.Count -eq 0) { throw "there is no .inf file in $Directory" }
    Write-Step "$($files.Count) drivers of $Directory"
    foreach ($file in $files) {
        Invoke-Program 'pnputil.exe' @('/add-driver', ('"{0}"' -f $file.FullName), '/install') @(0, 259, 3010)
    }
}

function Install-VirtioDrivers {
    $root = Get-VirtioRoot
    foreach ($driver in Get-ChildItem -Path $root -Directory) {
        $directory = Join-Path $driver.FullName "$($Settings.virtio)\amd64"
        if (@(Get-ChildItem -Path $directory -Filter '*.inf' -ErrorAction SilentlyContinue).Count -gt 0) {
            Install-Drivers $directory
        }
    }
}

function Get-CloudbaseInstaller {
    if ($Settings.msi) { return Join-Path $Media $Settings.msi }
    $file = Join-Path $Work 'cloudbase-init.msi'
    Write-Step "downloading $($Settings.url)"
    [Net.ServicePointManager]::SecurityProtocol = [Net.SecurityProtocolType]::Tls12
    for ($try = 1; ; $try++) {
        try {
            Invoke-WebRequest -Uri $Settings.url -OutFile $file -UseBasicParsing -TimeoutSec 300
            break
        } catch {
            if ($try -ge 5) { throw }
            # The network may not be up yet.
            Start-Sleep -Seconds (10 * $try)
        }
    }
    $sum = (Get-FileHash -Algorithm SHA256 -Path $file).Hash.ToLowerInvariant()
    if ($sum -ne $Settings.sha256) {
        throw "$($Settings.url) has the SHA-256 $sum, not $($Settings.sha256)"
    }
    return $file
}

function Install-Cloudbase {
    $installer = Get-CloudbaseInstaller
    Write-Step "installing $installer"
    $log = Join-Path $Work 'cloudbase-init.log'
    Invoke-Program 'msiexec.exe' @('/i', ('"{0}"' -f $installer), '/qn', '/norestart', '/l*v', ('"{0}"' -f $log),
        'LOGGINGSERIALPORTNAME=COM1', 'RUN_SERVICE_AS_LOCAL_SYSTEM=1') @(0, 3010)
    if (-not (Test-Path (Join-Path $Cloudbase 'conf\cloudbase-init.conf'))) {
        throw "the installer left no $Cloudbase\conf\cloudbase-init.conf"
    }
    # It must not run before the machine's own setup is over.
    Stop-Service -Name cloudbase-init -Force -ErrorAction SilentlyContinue
    Set-Service -Name cloudbase-init -StartupType Manual
    $scripts = Join-Path $env:SystemRoot 'Setup\Scripts'
    New-Item -ItemType Directory -Force -Path $scripts | Out-Null
    Set-Content -Encoding Ascii -Path (Join-Path $scripts 'SetupComplete.cmd') -Value @(
        '@echo off',
        'sc.exe config cloudbase-init start= auto',
        'net.exe start cloudbase-init')
}

# What curtin looks for on the partition. Cloudbase-Init reads network.json from
# here, so the directory stays after the deployment.
function Copy-Curtin {
    Copy-Item -Recurse -Force -Path (Join-Path $Media 'curtin') -Destination 'C:\'
    Get-ChildItem -Recurse -File -Path 'C:\curtin' | ForEach-Object { $_.IsReadOnly = $false }
    foreach ($name in 'curtin-hooks', 'finalize') {
        if (-not (Test-Path "C:\curtin\$name")) { throw "C:\curtin\$name is missing" }
    }
}

# Packages that one user has and new users would not get stop sysprep.
function Remove-BlockingPackages {
    # Server Core has no packages.
    if (-not (Get-Command Get-AppxProvisionedPackage -ErrorAction SilentlyContinue)) { return }
    $provisioned = @(Get-AppxProvisionedPackage -Online | ForEach-Object { $_.DisplayName })
    $packages = Get-AppxPackage -AllUsers | Where-Object {
        -not $_.IsFramework -and $_.SignatureKind -ne 'System' -and $provisioned -notcontains $_.Name
    }
    foreach ($package in $packages) {
        Write-Step "removing $($package.Name), which sysprep refuses"
        try {
            Remove-AppxPackage -Package $package.PackageFullName
        } catch {
            # sysprep decides whether that matters.
            Write-Step "it stays: $_"
        }
    }
}

function Wait-Decryption {
    if (-not (Get-Command Get-BitLockerVolume -ErrorAction SilentlyContinue)) { return }
    $volume = Get-BitLockerVolume -MountPoint 'C:'
    if ($volume.VolumeStatus -eq 'FullyDecrypted') { return }
    Write-Step 'waiting for the decryption of C:'
    Disable-BitLocker -MountPoint 'C:' | Out-Null
    while ((Get-BitLockerVolume -MountPoint 'C:').VolumeStatus -ne 'FullyDecrypted') { Start-Sleep -Seconds 10 }
}

# The password of the build stood in the answer files and in the registry. The
# new one is known to nobody.
function Remove-Credentials {
    $bytes = New-Object byte[] 32
    $random = [Security.Cryptography.RandomNumberGenerator]::Create()
    $random.GetBytes($bytes)
    $random.Dispose()
    $secret = ConvertTo-SecureString -AsPlainText -Force -String ('Aa1-' + [Convert]::ToBase64String($bytes))
    Set-LocalUser -Name Administrator -Password $secret
    if ($Settings.account) { Remove-LocalUser -Name $Settings.account }
    foreach ($name in 'AutoAdminLogon', 'AutoLogonCount', 'DefaultUserName', 'DefaultPassword') {
        Remove-ItemProperty -Path $Winlogon -Name $name -ErrorAction SilentlyContinue
    }
    Remove-ItemProperty -Path 'HKLM:\SYSTEM\Setup' -Name 'UnattendFile' -ErrorAction SilentlyContinue
    foreach ($name in 'unattend.xml', 'unattend\unattend.xml', 'unattend-original.xml') {
        Remove-Item -Force -Path (Join-Path $env:SystemRoot "Panther\$name") -ErrorAction SilentlyContinue
    }
}

# It would run on the deployed machine too, and turn that off.
function Remove-ErrorHandler {
    Remove-Item -Force -Path (Join-Path $env:SystemRoot 'Setup\Scripts\ErrorHandler.cmd') -ErrorAction SilentlyContinue
}

# Space that is not zero would be in the image.
function Clear-Space {
    Remove-Item -Recurse -Force -Path $Work -ErrorAction SilentlyContinue
    Optimize-Volume -DriveLetter C -ReTrim -ErrorAction SilentlyContinue
}

function Start-Sysprep {
    $answers = Join-Path $Sysprep 'image.xml'
    Copy-Item -Force -Path (Join-Path $Media 'sysprep.xml') -Destination $answers
    Set-ItemProperty -Path $answers -Name IsReadOnly -Value $false
    $arguments = @('/oobe', '/quit', '/quiet', "/unattend:$answers")
    if ($Settings.generalize) { $arguments += '/generalize' }
    Invoke-Program (Join-Path $Sysprep 'sysprep.exe') $arguments
    # It says success even where it failed; the state does not.
    $key = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State'
    $state = (Get-ItemProperty -Path $key).ImageState
    $wanted = if ($Settings.generalize) { 'IMAGE_STATE_GENERALIZE_RESEAL_TO_OOBE' } else { 'IMAGE_STATE_SPECIALIZE_RESEAL_TO_OOBE' }
    if ($state -ne $wanted) { throw "sysprep left the state $state, not $wanted" }
}

function Build-Image {
    New-Item -ItemType Directory -Force -Path $Work | Out-Null
    Write-Step "Windows $($Settings.version), $([Environment]::OSVersion.Version)"
    if ($Settings.virtio) { Install-VirtioDrivers }
    if ($Settings.drivers) { Install-Drivers (Join-Path $Media $Settings.drivers) }
    Install-Cloudbase
    Copy-Curtin
    Write-Step 'customizing'
    . (Join-Path $Media 'customize.ps1')
    Remove-BlockingPackages
    Wait-Decryption
    Remove-Credentials
    Remove-ErrorHandler
    Clear-Space
    Write-Step 'sysprep'
    Start-Sysprep
}

function Write-Failure($Problem) {
    Write-Report @("image-build: $Problem", "image-build: at $($Problem.InvocationInfo.PositionMessage)")
    $logs = @(
        "$env:SystemRoot\Panther\setuperr.log", "$Sysprep\Panther\setuperr.log",
        "$Sysprep\Panther\setupact.log", "$Work\cloudbase-init.log")
    foreach ($log in $logs | Where-Object { Test-Path $_ }) {
        Write-Report (@("--- $log") + @(Get-Content -Tail 60 -Path $log -ErrorAction SilentlyContinue))
    }
    Write-Report 'image-build: FAILED'
}

try {
    Build-Image
    Write-Report 'image-build: installed'
} catch {
    Write-Failure $_
}
Stop-Computer -Force
